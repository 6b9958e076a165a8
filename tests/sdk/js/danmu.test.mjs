import assert from "node:assert/strict";
import { test } from "node:test";

import { ConnectionLost, DanmuClient, NotConnected, RequestFailed, toBlob } from "../../../app/sdk/js/danmu.js";
import { fakeNetwork, fakeTimers, settle } from "./fakes.mjs";

async function connected(options = {}) {
  const { sockets, FakeWebSocket } = fakeNetwork();
  const timers = fakeTimers();
  const client = new DanmuClient("ws://test/ws", {
    WebSocket: FakeWebSocket,
    setTimeout: timers.setTimeout.bind(timers),
    clearTimeout: timers.clearTimeout,
    ...options,
  });
  const connecting = client.connect();
  sockets[0].accept();
  await connecting;
  return { client, sockets, server: sockets[0], timers };
}

const text = (audio) => new TextDecoder().decode(audio);

test("speech comes with its metadata", async () => {
  const { client, server } = await connected();
  const asked = client.speak("你好", { voice: "cmn", sampleRate: 16000, format: undefined });
  server.speak(server.heard[0], "RIFF...");
  const speech = await asked;
  assert.deepEqual(server.heard[0], {
    id: "js-1",
    type: "tts",
    data: { text: "你好", voice: "cmn", sample_rate: 16000 },
  });
  assert.deepEqual([text(speech.audio), speech.metadata.format, speech.cached], ["RIFF...", "wav", false]);
  assert.equal(toBlob(speech).type, "audio/wav");
});

test("replies are matched by id", async () => {
  const { client, server } = await connected();
  const asked = [client.speak("first"), client.speak("second")];
  server.speak(server.heard[1], "2");
  server.speak(server.heard[0], "1");
  assert.deepEqual((await Promise.all(asked)).map(({ audio }) => text(audio)), ["1", "2"]);
});

const timestamps = { words: [{ text: "hi", start: 0, end: 0.2 }], phonemes: [{ text: "h", start: 0, end: 0.1 }] };

test("times of words and phonemes come with the speech", async () => {
  const { client, server } = await connected();
  const asked = client.speak("hi", { timestamps: true, speed: 1.5, maxAge: 10, ssml: true });
  server.speak(server.heard[0], "RIFF", { timestamps });
  assert.deepEqual(server.heard[0].data, { text: "hi", speed: 1.5, timestamps: true, max_age: 10, ssml: true });
  const { words, phonemes } = await asked;
  assert.deepEqual({ words, phonemes }, timestamps);
});

test("times come with each chunk, and are null where they are not known", async () => {
  const { client, server } = await connected();
  const pieces = [];
  const streaming = (async () => {
    for await (const chunk of client.stream("hi", { timestamps: true })) pieces.push(chunk);
  })();
  const [request] = server.heard;
  server.chunk(request, 0, 2, { timestamps });
  server.chunk(request, 1, 2, { timestamps: null });
  server.answer(request, "tts_complete", { total_duration: 1, chunks_sent: 2 });
  await streaming;
  assert.equal(request.data.timestamps, true);
  assert.deepEqual(pieces.map(({ words }) => words), [timestamps.words, null]);
});

test("chunks come as they are sent", async () => {
  const { client, server } = await connected();
  const pieces = [];
  const streaming = (async () => {
    for await (const chunk of client.stream("a long text", { chunkSize: 50 })) pieces.push(chunk);
  })();
  const [request] = server.heard;
  server.chunk(request, 0, 2);
  await settle();
  assert.deepEqual([pieces[0].index, pieces[0].total, pieces[0].text], [0, 2, "piece 0"]);
  server.chunk(request, 1, 2);
  server.answer(request, "tts_complete", { total_duration: 1, chunks_sent: 2 });
  await streaming;
  assert.deepEqual([pieces.length, request.data.chunk_size, server.heard.length], [2, 50, 1]);
});

test("leaving a stream early cancels the rest", async () => {
  const { client, server } = await connected();
  const leaving = (async () => {
    for await (const _ of client.stream("a long text")) break;
  })();
  server.chunk(server.heard[0], 0, 9);
  await leaving;
  assert.deepEqual(server.heard[1], { id: "js-2", type: "cancel", data: { request_id: "js-1" } });
});

test("an aborted signal cancels the request, on the server too", async () => {
  const { client, server } = await connected();
  const abort = new AbortController();
  const asked = client.speak("never mind", { signal: abort.signal });
  abort.abort("changed my mind");
  await assert.rejects(asked, (reason) => reason === "changed my mind");
  server.fail(server.heard[0], "CANCELLED");
  assert.equal(server.heard[1].type, "cancel");
  await assert.rejects(client.speak("too late", { signal: abort.signal }));
  assert.equal(server.heard.length, 2);
});

test("a named request can be cancelled", async () => {
  const { client, server } = await connected();
  const asked = client.speak("hello", { requestId: "mine" });
  await assert.rejects(client.speak("hello", { requestId: "mine" }), /'mine' is in use/);
  const cancelling = client.cancel("mine");
  server.answer(server.heard[1], "cancel_response", { cancelled: true, request_id: "mine" });
  server.fail(server.heard[0], "CANCELLED");
  await assert.rejects(asked, { code: "CANCELLED" });
  assert.equal(await cancelling, true);
});

test("lists and states are passed on", async () => {
  const { client, server } = await connected();
  const asked = [client.voices({ language: "zh-CN" }), client.backendStatus("tone"), client.queueStatus()];
  const [voices, backend, queue] = server.heard;
  assert.deepEqual([voices.data, backend.data, queue.data], [{ language: "zh-CN" }, { backend: "tone" }, undefined]);
  server.answer(voices, "voices_response", { voices: [{ id: "cmn" }] });
  server.answer(backend, "backend_status_response", { available: true });
  server.answer(queue, "queue_status_response", { position: 2 });
  assert.deepEqual(await Promise.all(asked), [[{ id: "cmn" }], { available: true }, { position: 2 }]);
});

test("heartbeats are answered", async () => {
  const { server } = await connected();
  server.say({ type: "heartbeat", timestamp: "2025-06-13T10:30:00Z" });
  assert.deepEqual(server.heard, [{ type: "heartbeat_ack", timestamp: "2025-06-13T10:30:00Z" }]);
});

test("errors carry their code and details", async () => {
  const { client, server } = await connected();
  const asked = client.speak("hello", { backend: "edge" });
  server.fail(server.heard[0], "BACKEND_UNAVAILABLE", { available_backends: ["espeak"] });
  await assert.rejects(asked, (error) => {
    assert.ok(error instanceof RequestFailed);
    assert.deepEqual([error.code, error.message], ["BACKEND_UNAVAILABLE", "it is BACKEND_UNAVAILABLE"]);
    assert.deepEqual(error.details.available_backends, ["espeak"]);
    return true;
  });
});

test("a broken reply fails its request alone", async (t) => {
  t.mock.method(console, "warn", () => {});
  const { client, server } = await connected();
  const broken = client.speak("hello");
  server.say("no JSON");
  server.say("null");
  server.say({ id: server.heard[0].id });
  await assert.rejects(broken, /lacks its data/);
  const whole = client.speak("hello");
  server.speak(server.heard[1]);
  assert.equal(text((await whole).audio), "RIFF");
});

test("half a surrogate pair becomes a replacement character", async () => {
  const { client, server } = await connected();
  client.speak("cut \ud83d");
  assert.equal(server.heard[0].data.text, "cut \ufffd");
});

test("what is under way fails when the connection breaks, and later requests wait for the next one", async () => {
  const { client, sockets, server, timers } = await connected();
  const lost = client.speak("hello");
  server.hangUp(1012, "restarting");
  await assert.rejects(lost, (error) => error instanceof ConnectionLost && error.code === 1012);
  const later = client.speak("hello again");
  timers.fire();
  sockets[1].accept();
  sockets[1].speak(sockets[1].heard[0]);
  assert.equal(text((await later).audio), "RIFF");
});

test("what is under way is asked again if wanted, unless it was heard in part or the server closed for it", async () => {
  const { client, sockets, server, timers } = await connected({ resend: true });
  const asked = client.speak("hello");
  const stream = client.stream("a long text");
  const first = stream.next();
  server.chunk(server.heard[1], 0, 2);
  await first;
  server.hangUp();
  await assert.rejects(stream.next(), ConnectionLost);
  timers.fire();
  sockets[1].accept();
  assert.deepEqual(sockets[1].heard, [server.heard[0]]);
  sockets[1].hangUp(1009, "too big");
  await assert.rejects(asked, ConnectionLost);
});

test("closing fails what is under way, and what comes later", async () => {
  const { client } = await connected();
  const asked = client.speak("hello");
  client.close();
  await assert.rejects(asked, NotConnected);
  await assert.rejects(client.speak("hello"), NotConnected);
});

test("connect fails where there is no server, and is at once done when it is done", async () => {
  const { sockets, FakeWebSocket } = fakeNetwork();
  const client = new DanmuClient("ws://test/ws", { WebSocket: FakeWebSocket });
  const connecting = client.connect();
  sockets[0].hangUp(1006, "");
  await assert.rejects(connecting, NotConnected);

  const again = await connected();
  await again.client.connect();
  assert.equal(again.sockets.length, 1);
});

test("the token goes into the query", async () => {
  const { sockets } = await connected({ token: "a b&c" });
  assert.equal(String(sockets[0].url), "ws://test/ws?token=a+b%26c");
});
