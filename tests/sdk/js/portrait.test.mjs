import assert from "node:assert/strict";
import { test } from "node:test";

import { ConnectionLost, NotConnected, Portraits, RequestFailed } from "../../../app/sdk/js/portrait.js";
import { fakeNetwork, settle } from "./fakes.mjs";

const OPENING = { type: "stream", job_id: "1f0c", codecs: "avc1.64001e, mp4a.40.2", width: 64, height: 48, fps: 25, model_used: "warp" };
const RESULT = {
  type: "result",
  job_id: "1f0c",
  video_size: 5,
  model_used: "warp",
  requested_model: "nota_wav2lip",
  fallback_reason: "no weights",
  frames_processed: 50,
  processing_time: 0.5,
  inference_fps: 400,
  image_id: "abc",
  duration: 2,
};
const VIDEO = { ...RESULT, video_base64: btoa("video") };
const picture = () => new Blob(["picture"], { type: "image/png" });
const binary = (text) => new TextEncoder().encode(text).buffer;

function begun(options = {}, url = "ws://test") {
  const { sockets, FakeWebSocket } = fakeNetwork();
  const timers = [];
  const rest = { WebSocket: FakeWebSocket, setTimeout: (callback) => timers.push(callback), random: () => 0 };
  const portraits = new Portraits(url, { ...rest, ...options });
  return { portraits, sockets, timers };
}

async function connected(options) {
  const world = begun(options);
  const connecting = world.portraits.connect();
  world.sockets[0].accept();
  await connecting;
  return { ...world, server: world.sockets[0] };
}

/** Wait until the server has heard so many messages. */
async function heard(server, count) {
  for (let turn = 0; turn < 100 && server.heard.length < count; turn += 1) await settle();
  assert.equal(server.heard.length, count);
  return server.heard.at(-1);
}

async function collect(events, into = []) {
  for await (const event of events) into.push(event);
  return into;
}

test("a picture speaks a sound", async () => {
  const { portraits, server, sockets } = await connected({ token: "a b" });
  const told = [];
  const wanted = { model: "warp", pads: [0, 10, 0, 0], resizeFactor: 2, melOffset: -1, onProgress: (one) => told.push(one) };
  const speaking = portraits.speak(picture(), { audio: new Uint8Array([1, 2, 3]), ...wanted });
  assert.deepEqual(await heard(server, 1), {
    type: "process",
    options: { model_type: "warp", pads: [0, 10, 0, 0], resize_factor: 2, mel_offset: -1 },
    image_base64: btoa("picture"),
    audio_base64: btoa("\x01\x02\x03"),
  });
  server.say({ type: "progress", progress: 60, message: "Frame 5 of 50", timestamp: 1 });
  server.say(VIDEO);
  const portrait = await speaking;
  assert.equal(String(sockets[0].url), "ws://test/ws/lip-sync?token=a+b");
  assert.equal(await portrait.video.text(), "video");
  assert.deepEqual(
    [portrait.video.type, portrait.modelUsed, portrait.requestedModel, portrait.fallbackReason, portrait.frames, portrait.imageId],
    ["video/mp4", "warp", "nota_wav2lip", "no weights", 50, "abc"],
  );
  assert.deepEqual(told, [{ percent: 60, message: "Frame 5 of 50" }]);
});

test("a text is spoken by the server, and is whole Unicode", async () => {
  const { portraits, server } = await connected();
  const speaking = portraits.speak(picture(), { text: "Hallo\ud83d", voice: "anna", language: "de", speed: 0.5 });
  const { text, voice, language, speed, options } = await heard(server, 1);
  assert.deepEqual([text, voice, language, speed, options], ["Hallo\ufffd", "anna", "de", 0.5, {}]);
  server.say(VIDEO);
  await speaking;
});

test("asking opens the connection, with a prefix too", async () => {
  const { portraits, sockets } = begun({}, "https://example.org/chorus/");
  const speaking = portraits.speak(picture(), { text: "hi" });
  await settle();
  await settle();
  assert.equal(String(sockets[0].url), "wss://example.org/chorus/ws/lip-sync");
  sockets[0].accept();
  await heard(sockets[0], 1);
  sockets[0].say(VIDEO);
  await speaking;
});

test("a picture is sent once, and another time where it has been forgotten", async () => {
  const { portraits, server } = await connected();
  const same = picture();
  for (const [at, hasPicture] of [[1, true], [2, false]]) {
    const speaking = portraits.speak(same, { text: "hi" });
    const { image_base64: image, image_id: name } = await heard(server, at);
    assert.deepEqual([image !== undefined, name], [hasPicture, hasPicture ? undefined : "abc"]);
    server.say(VIDEO);
    await speaking;
  }
  const speaking = portraits.speak(same, { text: "again" });
  assert.equal((await heard(server, 3)).image_id, "abc");
  server.say({ type: "error", error_type: "validation_error", field: "image_id", message: "no such picture" });
  const again = await heard(server, 4);
  assert.deepEqual([again.image_base64, again.image_id, again.text], [btoa("picture"), undefined, "again"]);
  server.say(VIDEO);
  assert.equal((await speaking).type, "portrait");
});

test("a name that the server does not know is an error, once", async () => {
  const { portraits, server } = await connected();
  const speaking = portraits.speak(null, { text: "hi", imageId: "gone" });
  assert.equal((await heard(server, 1)).image_id, "gone");
  server.say({ type: "error", error_type: "validation_error", field: "image_id", message: "no such picture" });
  await assert.rejects(speaking, (error) => error instanceof RequestFailed && error.details.field === "image_id");
  assert.equal(server.heard.length, 1);
});

test("a video can take the place of a picture", async () => {
  const { portraits, server } = await connected();
  const speaking = portraits.speak(null, { text: "hi", video: binary("film") });
  const { video_base64: film, image_base64: image } = await heard(server, 1);
  assert.deepEqual([film, image], [btoa("film"), undefined]);
  server.say(VIDEO);
  await speaking;
});

test("large files arrive as they are", async () => {
  const { portraits, server } = await connected();
  const bytes = Uint8Array.from({ length: 3 * 2 ** 20 + 2 }, (_, n) => (n * 7) % 256);
  const speaking = portraits.speak(new Blob([bytes]), { text: "hi" });
  for (let turn = 0; turn < 1000 && !server.heard.length; turn += 1) await new Promise((done) => setTimeout(done, 5));
  assert.ok(Buffer.from(server.heard[0].image_base64, "base64").equals(Buffer.from(bytes)));
  server.say(VIDEO);
  await speaking;
});

test("a video comes in fragments, and as a whole at the end", async () => {
  const { portraits, server } = await connected();
  const streaming = collect(portraits.stream(picture(), { text: "hi" }));
  assert.deepEqual((await heard(server, 1)).options, { stream: true });
  server.say(OPENING);
  server.say(binary("init "));
  server.say({ type: "progress", progress: 60, message: "Frame 5", timestamp: 1 });
  server.say(binary("rest"));
  server.say(RESULT);
  const [opening, first, second, portrait] = await streaming;
  const { type, jobId, codecs, width, height, fps, modelUsed } = opening;
  assert.deepEqual([type, jobId, codecs, width, height, fps], ["opening", "1f0c", OPENING.codecs, 64, 48, 25]);
  assert.equal(modelUsed, "warp");
  assert.deepEqual([first, second].map(({ type }) => type), ["fragment", "fragment"]);
  assert.equal(new TextDecoder().decode(second.data), "rest");
  assert.equal(await portrait.video.text(), "init rest");
});

test("an aborted portrait is cancelled, and what is left of it is not taken for the next", async () => {
  const { portraits, server } = await connected();
  const abort = new AbortController();
  const first = portraits.speak(picture(), { text: "one", signal: abort.signal });
  await heard(server, 1);
  const second = portraits.speak(picture(), { text: "two" });
  abort.abort(new Error("enough"));
  await assert.rejects(first, /enough/);
  await heard(server, 3);
  assert.deepEqual(server.heard.slice(1), [{ type: "cancel" }, { type: "ping" }]);
  server.say(binary("late"));
  server.say({ type: "pong", timestamp: 1 });
  server.say({ type: "progress", progress: 99, message: "late", timestamp: 1 });
  await settle();
  assert.equal(server.heard.length, 3); // the server has not let go yet
  server.say({ type: "cancelled", message: "Processing cancelled" });
  assert.equal((await heard(server, 4)).text, "two");
  server.say({ type: "info", message: "of whatever" });
  server.say(VIDEO);
  assert.equal(await (await second).video.text(), "video");
});

test("leaving the loop cancels", async () => {
  const { portraits, server } = await connected();
  const leaving = (async () => {
    for await (const event of portraits.stream(picture(), { text: "hi" })) return event.type;
  })();
  await heard(server, 1);
  server.say(OPENING);
  assert.equal(await leaving, "opening");
  await heard(server, 3);
  assert.deepEqual(server.heard.slice(1).map(({ type }) => type), ["cancel", "ping"]);
});

test("who is aborted while it waits asks for nothing, and holds nobody up", async () => {
  const { portraits, server } = await connected();
  const abort = new AbortController();
  const first = portraits.speak(picture(), { text: "one" });
  await heard(server, 1);
  const second = portraits.speak(picture(), { text: "two", signal: abort.signal });
  const third = portraits.speak(picture(), { text: "three" });
  abort.abort();
  await assert.rejects(second, { name: "AbortError" });
  await settle();
  assert.equal(server.heard.length, 1);
  server.say(VIDEO);
  await first;
  assert.equal((await heard(server, 2)).text, "three");
  server.say(VIDEO);
  await third;
  await assert.rejects(portraits.speak(picture(), { text: "four", signal: abort.signal }), { name: "AbortError" });
});

test("an error has its code and words, and the next portrait is drawn", async () => {
  const { portraits, server } = await connected();
  const failing = portraits.speak(picture(), { text: "hi" });
  await heard(server, 1);
  server.say({ type: "error", error_type: "processing_error", message: "no face", timestamp: 1 });
  await assert.rejects(failing, (error) => error.code === "processing_error" && error.message === "no face");
  const speaking = portraits.speak(picture(), { text: "hi" });
  await heard(server, 2);
  server.say(VIDEO);
  await speaking;
});

test("a connection that breaks fails what was under way, and comes back for the next", async () => {
  const { portraits, server, sockets } = await connected();
  const failing = portraits.speak(picture(), { text: "one" });
  await heard(server, 1);
  const waiting = portraits.speak(picture(), { text: "two" });
  server.hangUp(1012, "restarting");
  await assert.rejects(failing, ConnectionLost);
  portraits.retry();
  sockets[1].accept();
  assert.equal((await heard(sockets[1], 1)).text, "two");
  sockets[1].say(VIDEO);
  await waiting;
});

test("a connection that breaks in the midst of a stream is an error even for who was not reading", async () => {
  const { portraits, server } = await connected();
  const events = portraits.stream(picture(), { text: "hi" });
  const opening = events.next();
  await heard(server, 1);
  server.say(OPENING);
  await opening;
  server.hangUp(1012, "restarting");
  await assert.rejects(events.next(), ConnectionLost);
});

test("a connection that breaks while a cancel is owed leaves nobody waiting", async () => {
  const { portraits, server, sockets } = await connected();
  const events = portraits.stream(picture(), { text: "one" });
  const opening = events.next();
  await heard(server, 1);
  server.say(OPENING);
  await opening;
  await events.return();
  const next = portraits.speak(picture(), { text: "two" });
  server.hangUp(1006, "");
  portraits.retry();
  await settle();
  sockets[1].accept();
  assert.equal((await heard(sockets[1], 1)).text, "two");
  sockets[1].say(VIDEO);
  await next;
});

test("a client that is closed fails what is under way", async () => {
  const { portraits, server } = await connected();
  const failing = portraits.speak(picture(), { text: "hi" });
  await heard(server, 1);
  portraits.close();
  await assert.rejects(failing, NotConnected);
  assert.equal(portraits.state, "closed");
});

test("a server that has only what the document says is enough", async () => {
  const { portraits, server } = await connected();
  const same = picture();
  const { image_id, requested_model, fallback_reason, duration, ...plain } = VIDEO;
  for (const at of [1, 2]) {
    const speaking = portraits.speak(same, { audio: binary("sound") });
    assert.ok((await heard(server, at)).image_base64);
    server.say(plain);
    assert.equal((await speaking).imageId, undefined);
  }
});

test("what is no JSON is passed over", async (t) => {
  const warned = t.mock.method(console, "warn", () => {});
  const { portraits, server } = await connected();
  const speaking = portraits.speak(picture(), { text: "hi" });
  await heard(server, 1);
  server.say("no JSON");
  server.say(VIDEO);
  await speaking;
  assert.equal(warned.mock.callCount(), 1);
});

/** A `fetch` that notes what it is asked. */
function imageDoor(status, content) {
  const asked = [];
  const fetch = async (url, request) => {
    asked.push({ url: String(url), ...request });
    return new Response(typeof content === "string" ? content : JSON.stringify(content), { status });
  };
  return { asked, fetch };
}

test("a picture that was uploaded is named from then on", async () => {
  const { asked, fetch } = imageDoor(201, { image_id: "abc", width: 640, height: 480, faces: 2 });
  const { portraits, server } = await connected({ fetch, token: "key" });
  const same = picture();
  assert.deepEqual(await portraits.upload(same), { imageId: "abc", width: 640, height: 480, faces: 2 });
  const [{ url, method, headers, body }] = asked;
  assert.deepEqual([url, method, body], ["http://test/api/v1/lip-sync/images", "POST", same]);
  assert.deepEqual(headers, { "Content-Type": "image/png", Authorization: "Bearer key" });
  const speaking = portraits.speak(same, { text: "hi" });
  const { image_id: name, image_base64: image } = await heard(server, 1);
  assert.deepEqual([name, image], ["abc", undefined]);
  server.say(VIDEO);
  await speaking;
});

test("an upload to a server that is not there says so", async () => {
  const fetch = async () => {
    throw new TypeError("fetch failed");
  };
  const { portraits } = begun({ fetch });
  await assert.rejects(portraits.upload(picture()), NotConnected);
  await assert.rejects(portraits.upload(picture(), { signal: AbortSignal.abort() }), { name: "AbortError" });
});

test("an upload that is refused says why", async () => {
  const refusal = { detail: "no picture", error_type: "validation_error" };
  const { portraits } = begun({ fetch: imageDoor(422, refusal).fetch });
  await assert.rejects(portraits.upload(picture()), { code: "validation_error", message: "no picture", details: { status: 422 } });
  const other = begun({ fetch: imageDoor(502, "<html>").fetch }).portraits;
  await assert.rejects(other.upload(new Blob(["?"])), { code: "internal_error", message: "the server answers 502" });
});
