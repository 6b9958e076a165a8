import assert from "node:assert/strict";
import { test } from "node:test";

import { BrokenReply, ConnectionLost, GenerationFailed, NotConnected, SpeakStream } from "../../../app/sdk/js/speak.js";
import { fakeNetwork, fakeTimers, frame, settle, shuffled, wav } from "./fakes.mjs";

const NOTHING = new Uint8Array(0);

async function connected(url = "ws://test/ws") {
  const { sockets, FakeWebSocket } = fakeNetwork();
  const timers = fakeTimers();
  const stream = new SpeakStream(url, {
    WebSocket: FakeWebSocket,
    setTimeout: timers.setTimeout.bind(timers),
    clearTimeout: timers.clearTimeout,
  });
  const connecting = stream.connect();
  await settle();
  sockets[0].accept();
  await connecting;
  return { stream, sockets, server: sockets[0], timers };
}

/** Everything that comes of a take, and how it ended. */
function follow(events) {
  const heard = { events: [], error: null };
  heard.done = (async () => {
    try {
      for await (const event of events) heard.events.push(event);
    } catch (error) {
      heard.error = error;
    }
  })();
  return heard;
}

const take = (status, more = {}) => ({ take_id: "t1", voice_id: "v1", text: "hello", status, ...more });
const told = (request, item) => ({ data: item, request_id: request.request_id });
const pcm = ({ pcm }) => [...new Int16Array(pcm.slice().buffer)];
const names = (events) => events.map(({ type, status }) => status ?? type);

/** What the vendor's server sends, in its order. */
function answer({ request_id: id }, ...parts) {
  return [
    told({ request_id: id }, take("waiting")),
    told({ request_id: id }, take("started")),
    ...parts.map((samples, part) => frame(id, part, null, wav(samples))),
    frame(id, parts.length, null, NOTHING),
    told({ request_id: id }, take("ready")),
  ];
}

test("parts are heard while a take is made", async () => {
  const { stream, server } = await connected();
  const heard = follow(stream.take("v1", "Hi. Bye.", { style: ["base"], prosody: { pitch: 1, pace: 0, expression: 0 } }));
  await settle();
  assert.deepEqual(server.heard, [
    {
      command: "/takes/generate",
      request_id: 1,
      data: { voice_id: "v1", text: "Hi. Bye.", style: ["base"], prosody: { pitch: 1, pace: 0, expression: 0 } },
    },
  ]);
  for (const message of answer(server.heard[0], [1, 2], [3])) server.say(message);
  await heard.done;
  assert.deepEqual(names(heard.events), ["waiting", "started", "part", "part", "ready", "end"]);
  assert.deepEqual(heard.events.filter(({ type }) => type === "part").map(pcm), [[1, 2], [3]]);
  assert.deepEqual([heard.events[2].header.sampleRate, heard.events[2].audio], [22050, wav([1, 2])]);
});

test("in whatever order it arrives, parts are in order and the end is last", async () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const { stream, server } = await connected();
    const heard = follow(stream.take("v1", "Hi."));
    await settle();
    for (const message of shuffled(answer(server.heard[0], [1], [2], [3]), seed)) server.say(message);
    await heard.done;
    assert.deepEqual(heard.events.filter(({ type }) => type === "part").map(pcm), [[1], [2], [3]]);
    const statuses = names(heard.events.filter(({ type }) => type === "status"));
    assert.deepEqual(statuses, ["waiting", "started", "ready"].filter((status) => statuses.includes(status)));
    assert.deepEqual([heard.events.at(-1).type, heard.events.at(-1).item.status, heard.error], ["end", "ready", null]);
  }
});

test("chunks know the header of their part", async () => {
  const { stream, server } = await connected();
  const heard = follow(stream.take("v1", "Hi.", { mode: "chunks" }));
  await settle();
  assert.deepEqual(server.heard[0].stream, { mode: "chunks" });
  const file = wav([1, 2, 3]);
  server.say(frame(1, 0, 1, file.slice(46)));
  server.say(frame(1, 0, 0, file.slice(0, 46)));
  server.say(frame(1, 0, 2, NOTHING));
  server.say(frame(1, 1, 0, NOTHING));
  server.say(told(server.heard[0], take("ready")));
  await heard.done;
  const [first, second] = heard.events;
  assert.deepEqual([pcm(first), pcm(second)], [[1], [2, 3]]);
  assert.deepEqual([first.chunkId, second.chunkId, second.header], [0, 1, first.header]);
  assert.equal(second.header.dataBytes, 6);
});

test("requests at once do not mix, and ids may come back as text", async () => {
  const { stream, server } = await connected();
  const [first, second] = ["one", "two"].map((text) => follow(stream.take("v1", text)));
  await settle();
  const [a, b] = server.heard.map((request) => answer({ request_id: String(request.request_id) }, [request.request_id]));
  a.forEach((message, n) => [message, b[n]].forEach((one) => server.say(one)));
  await Promise.all([first.done, second.done]);
  assert.deepEqual(pcm(first.events[2]), [1]);
  assert.deepEqual(pcm(second.events[2]), [2]);
});

test("a voice comes with its example", async () => {
  const { stream, server } = await connected();
  const making = stream.generateVoice("Ada", "tone", "female", { example: "Hi.", defaultProsody: { pitch: 1 } });
  await settle();
  assert.deepEqual([server.heard[0].command, server.heard[0].data], [
    "/voices/generate",
    { name: "Ada", model: "tone", gender: "female", default_prosody: { pitch: 1 }, example_take: { text: "Hi." } },
  ]);
  server.say(frame(1, 0, null, wav([1])));
  server.say(frame(1, 1, null, NOTHING));
  server.say(told(server.heard[0], { voice_id: "v1", example_take_id: "t1", status: "ready" }));
  assert.equal((await making).voice_id, "v1");
});

test("callbacks are told in order, one at a time", async () => {
  const { stream, server } = await connected();
  const heard = [];
  const making = stream.generateTake("v1", "Hi.", {
    onStatus: ({ status }) => heard.push(status),
    onAudio: async ({ partId }) => {
      await settle();
      heard.push(partId);
    },
  });
  await settle();
  for (const message of answer(server.heard[0], [1], [2])) server.say(message);
  assert.equal((await making).status, "ready");
  assert.deepEqual(heard, ["waiting", "started", 0, 1, "ready"]);
});

for (const [name, more] of [
  ["without data", {}],
  ["with data", { data: { status: "error" } }],
]) {
  test(`an error ${name} fails its request, and the stream goes on`, async () => {
    const { stream, server } = await connected();
    const [failing, making] = [follow(stream.take("v9", "Hi.")), follow(stream.take("v1", "Hi."))];
    await settle();
    server.say({ status: "error", message: "no voice 'v9'", request_id: 1, ...more });
    server.say(frame(1, 0, null, NOTHING));
    for (const message of answer(server.heard[1], [1])) server.say(message);
    await Promise.all([failing.done, making.done]);
    assert.ok(failing.error instanceof GenerationFailed);
    assert.deepEqual([failing.error.message, making.events.at(-1).type], ["no voice 'v9'", "end"]);
  });
}

test("a take that failed is an error that has it, after what was made before", async () => {
  const { stream, server } = await connected();
  const heard = follow(stream.take("v1", "Hi."));
  await settle();
  server.say(frame(1, 0, null, wav([1])));
  server.say(told(server.heard[0], take("error", { error: "The voice is gone." })));
  await heard.done;
  assert.deepEqual(names(heard.events), ["part", "error"]);
  assert.deepEqual([heard.error.message, heard.error.item.status], ["The voice is gone.", "error"]);
});

test("what names no request and is wrong fails all, and the stream goes on", async () => {
  for (const wrong of [{ status: "error", message: "what?" }, "no JSON", "7", new ArrayBuffer(3)]) {
    const { stream, server } = await connected();
    const failing = [follow(stream.take("v1", "Hi.")), follow(stream.take("v1", "Hi."))];
    await settle();
    server.say(wrong);
    await Promise.all(failing.map(({ done }) => done));
    for (const { error } of failing) assert.ok(error instanceof GenerationFailed || error instanceof BrokenReply);
    const making = follow(stream.take("v1", "Again."));
    await settle();
    for (const message of answer(server.heard[2], [1])) server.say(message);
    await making.done;
    assert.equal(making.events.at(-1).type, "end");
  }
});

test("what breaks the protocol fails its request alone", async () => {
  const { stream, server } = await connected();
  const failing = [1, 2].map(() => follow(stream.take("v1", "Hi.")));
  const making = follow(stream.take("v1", "Hi."));
  await settle();
  server.say(frame(1, 0, null, new TextEncoder().encode("ID3, which is no WAV")));
  server.say(told({ request_id: 2 }, { take_id: "t1" }));
  for (const message of answer(server.heard[2], [1])) server.say(message);
  await Promise.all([...failing, making].map(({ done }) => done));
  for (const { error } of failing) assert.ok(error instanceof BrokenReply);
  assert.equal(making.events.at(-1).type, "end");
});

test("notices of the server disturb nobody", async () => {
  const { stream, server } = await connected();
  const heard = follow(stream.take("v1", "Hi."));
  await settle();
  server.say({ status: "ready", message: "loaded", model: "tone" });
  server.say({ hello: "future" });
  server.say(told({ request_id: 99 }, take("started")));
  server.say(frame(99, 0, null, wav([1])));
  for (const message of answer(server.heard[0], [1])) server.say(message);
  await heard.done;
  assert.equal(heard.events.at(-1).type, "end");
});

test("after a drop it connects with a fresh address, and what was under way fails", async () => {
  const addresses = ["ws://test/?secret=1", "ws://test/?secret=2"];
  const { stream, server, sockets, timers } = await connected(async () => addresses.shift());
  const lost = follow(stream.take("v1", "Hi."));
  await settle();
  server.hangUp(1012, "rebalancing");
  await lost.done;
  assert.ok(lost.error instanceof ConnectionLost && lost.error.code === 1012);
  const later = follow(stream.take("v1", "Again."));
  timers.fire();
  await settle();
  sockets[1].accept();
  assert.deepEqual([sockets[1].url, sockets[1].heard[0].request_id], ["ws://test/?secret=2", 2]);
  for (const message of answer(sockets[1].heard[0], [1])) sockets[1].say(message);
  await later.done;
  assert.equal(later.events.at(-1).type, "end");
});

test("leaving the loop, and an aborted signal, give a request up", async () => {
  const { stream, server } = await connected();
  const abort = new AbortController();
  const aborted = follow(stream.take("v1", "Never mind.", { signal: abort.signal }));
  const left = (async () => {
    for await (const _ of stream.take("v1", "Never mind.")) break;
  })();
  await settle();
  server.say(told({ request_id: 2 }, take("waiting")));
  abort.abort("changed my mind");
  await Promise.all([aborted.done, left]);
  assert.equal(aborted.error, "changed my mind");
  for (const request of server.heard) for (const message of answer(request, [1])) server.say(message);
  await assert.rejects(stream.generateTake("v1", "Too late.", { signal: abort.signal }));
  assert.equal(server.heard.length, 2);
});

test("closing fails what is under way and what comes after", async () => {
  const { stream } = await connected();
  const waiting = follow(stream.take("v1", "Hi."));
  await settle();
  stream.close();
  await waiting.done;
  assert.ok(waiting.error instanceof NotConnected);
  await assert.rejects(stream.generateTake("v1", "Hi."), NotConnected);
});

test("half a surrogate pair becomes a replacement character", async () => {
  const { stream, server } = await connected();
  follow(stream.take("v1", "cut \ud83d"));
  await settle();
  assert.equal(server.heard[0].data.text, "cut \ufffd");
});
