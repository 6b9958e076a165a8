import assert from "node:assert/strict";
import { test } from "node:test";

import { ConnectionLost, NoMicrophone, NotConnected, SoundHashClient, StreamClient } from "../../../app/sdk/js/stream.js";
import { fakeNetwork, settle } from "./fakes.mjs";

const FRAME = 2205;

/** A network whose sockets keep what is sent, and timers that pass at once unless a connection waits for them. */
function fakeWorld() {
  const { sockets, FakeWebSocket } = fakeNetwork();
  class StreamSocket extends FakeWebSocket {
    bufferedAmount = 0;
    frames = [];

    send(frame) {
      this.frames.push(frame);
    }
  }
  const clock = { now: 0 };
  const timers = [];
  const setTimeout = (callback, delay) => {
    timers.push(delay);
    setImmediate(() => {
      clock.now += delay;
      callback();
    });
  };
  return { sockets, clock, timers, options: { WebSocket: StreamSocket, setTimeout, now: () => clock.now, random: () => 0 } };
}

class FakeMicrophone extends EventTarget {
  isClosed = false;

  close() {
    this.isClosed = true;
  }

  hear(samples) {
    this.dispatchEvent(new CustomEvent("samples", { detail: samples }));
  }
}

function begun(options = {}) {
  const world = fakeWorld();
  const microphone = new FakeMicrophone();
  const openMicrophone = async () => microphone;
  const client = new StreamClient("ws://test", "key", "me", 22050, { ...world.options, openMicrophone, ...options });
  const heard = [];
  for (const kind of ["match", "status", "error", "end", "level", "progress"]) {
    client.addEventListener(kind, ({ detail }) => heard.push([kind, detail]));
  }
  return { ...world, client, microphone, heard };
}

async function connected(options) {
  const world = begun(options);
  const connecting = world.client.connect();
  world.sockets[0].accept();
  await connecting;
  return { ...world, server: world.sockets[0] };
}

const ramp = (length) => Float32Array.from({ length }, (_, n) => n / length);
const join = (frames) => Float32Array.from(frames.flatMap((frame) => [...frame]));
const match = { matches: [{ video_id: "abc123", title: "Song" }], timestamp: 1, stats: {} };

test("the arguments of the document say where and who", () => {
  const { sockets, options } = fakeWorld();
  new SoundHashClient("ws://localhost:8000", "your-api-key", "client-123", 22050, options).connect();
  new StreamClient("https://example.com/chorus/", null, "a/b?c", 48000, options).connect();
  assert.deepEqual(sockets.map(({ url }) => String(url)), [
    "ws://localhost:8000/ws/stream/client-123?sample_rate=22050&events=1&token=your-api-key",
    "wss://example.com/chorus/ws/stream/a%2Fb%3Fc?sample_rate=48000&events=1",
  ]);
});

test("an id that is not given is made up", () => {
  const { options } = fakeWorld();
  const ids = [1, 2].map(() => new StreamClient("ws://test", null, null, 22050, options).clientId);
  assert.match(ids[0], /^[0-9a-f]{32}$/);
  assert.notEqual(ids[0], ids[1]);
});

test("what the server tells comes as events and to callbacks", async (t) => {
  const warned = t.mock.method(console, "warn", () => {});
  const { client, server, heard } = await connected();
  const called = [];
  client.onMatch = (detail) => called.push(detail);
  client.onStatus = ({ event }) => called.push(event);
  client.onError = ({ message }) => called.push(message);
  server.say({ type: "match", data: match });
  server.say({ type: "status", message: "Music stopped", event: "lost" });
  server.say({ type: "error", message: "no", detail: "why" });
  server.say("no JSON");
  server.say("null");
  server.say({ type: "something new" });
  assert.deepEqual(heard, [
    ["match", match],
    ["status", { message: "Music stopped", event: "lost" }],
    ["error", { message: "no", detail: "why" }],
  ]);
  assert.deepEqual(called, [match, "lost", "no"]);
  assert.equal(warned.mock.callCount(), 3);
});

test("a microphone is sent in frames of a tenth of a second", async () => {
  const { client, server, microphone, heard } = await connected();
  await client.startMicrophone();
  const samples = ramp(3 * FRAME + 100);
  for (let at = 0; at < samples.length; at += 640) microphone.hear(samples.subarray(at, at + 640));
  assert.deepEqual(server.frames.map(({ length }) => length), [FRAME, FRAME, FRAME]);
  assert.deepEqual(join(server.frames), samples.subarray(0, 3 * FRAME));
  assert.deepEqual([client.isSounding, heard.filter(([kind]) => kind === "level").length], [true, 11]);
});

test("levels are those of what is heard", async () => {
  const { client, microphone, heard } = await connected();
  await client.startMicrophone();
  microphone.hear(Float32Array.of(0.5, -0.5, 0.5, -0.5));
  assert.deepEqual(heard, [["level", { rms: 0.5, peak: 0.5 }]]);
});

test("starting a microphone connects, and stopping it leaves the connection", async () => {
  const { client, sockets, microphone } = begun();
  const starting = client.startMicrophone();
  await settle();
  sockets[0].accept();
  await starting;
  client.stop();
  assert.deepEqual([microphone.isClosed, client.state, client.isSounding], [true, "open", false]);
  client.close();
  assert.equal(client.state, "closed");
});

test("a microphone that comes too late is closed", async () => {
  let give = null;
  const { client, microphone } = await connected({ openMicrophone: () => new Promise((resolve) => (give = resolve)) });
  const starting = client.startMicrophone();
  await settle();
  client.stop();
  give(microphone);
  await starting;
  assert.deepEqual([microphone.isClosed, client.isSounding], [true, false]);
});

test("a connection that ends before there is a microphone is an error", async () => {
  let give = null;
  const { client, server, microphone } = await connected({ openMicrophone: () => new Promise((resolve) => (give = resolve)) });
  const starting = client.startMicrophone();
  await settle();
  server.hangUp(1008, "rate limit exceeded");
  give(microphone);
  await assert.rejects(starting, ConnectionLost);
  assert.equal(microphone.isClosed, true);
});

test("without a microphone it is an error, and nothing is left", async () => {
  const { client } = await connected({ openMicrophone: async () => Promise.reject(new NoMicrophone("none")) });
  await assert.rejects(client.startMicrophone(), NoMicrophone);
  assert.equal(client.isSounding, false);
});

test("a microphone that ends by itself is told", async () => {
  const { client, microphone, heard } = await connected();
  await client.startMicrophone();
  const error = new NoMicrophone("taken away");
  microphone.dispatchEvent(new CustomEvent("end", { detail: { error } }));
  assert.deepEqual([heard, client.isSounding], [[["end", { error }]], false]);
});

test("what is heard without a connection, or on a slow one, is dropped", async () => {
  const { client, sockets, server, microphone } = await connected();
  await client.startMicrophone();
  server.bufferedAmount = 2 * 4 * 22050 + 1;
  microphone.hear(ramp(FRAME));
  server.bufferedAmount = 0;
  microphone.hear(ramp(FRAME));
  assert.equal(server.frames.length, 1);
  server.hangUp(1012);
  microphone.hear(ramp(FRAME));
  assert.equal(client.send(ramp(10)), false);
  await settle();
  sockets[1].accept();
  microphone.hear(ramp(FRAME));
  assert.equal(sockets[1].frames.length, 1);
});

test("samples are played as fast as they are heard, and told of", async () => {
  const { client, server, clock, heard } = await connected();
  assert.equal(await client.play(ramp(3 * FRAME + 441)), true);
  assert.deepEqual(join(server.frames), ramp(3 * FRAME + 441));
  assert.equal(Math.round(clock.now), 1300); // three frames, and a second to hear of the last of it
  const positions = heard.filter(([kind]) => kind === "progress").map(([, { position }]) => position);
  assert.deepEqual(positions.map((position) => position.toFixed(2)), ["0.10", "0.20", "0.30", "0.32"]);
  assert.equal(client.isSounding, false);
});

test("what is played waits for the next connection", async () => {
  const { client, sockets, server } = await connected();
  const playing = client.play(ramp(5 * FRAME));
  while (server.frames.length < 2) await settle();
  server.hangUp(1012);
  while (sockets.length < 2) await settle();
  sockets[1].accept();
  assert.equal(await playing, true);
  assert.equal(server.frames.length + sockets[1].frames.length, 5);
});

test("what is played waits for a slow network", async () => {
  const { client, server } = await connected();
  server.bufferedAmount = 1e6;
  const playing = client.play(ramp(2 * FRAME));
  for (let n = 0; n < 20; n += 1) await settle();
  assert.equal(server.frames.length, 0);
  server.bufferedAmount = 0;
  assert.equal(await playing, true);
});

test("stopping ends what is played", async () => {
  const { client, server } = await connected();
  const playing = client.play(ramp(100 * FRAME));
  while (server.frames.length < 2) await settle();
  client.stop();
  assert.equal(await playing, false);
  assert.ok(server.frames.length < 5);
});

test("the next sound takes the place of the one before", async () => {
  const { client, server, microphone } = await connected();
  await client.startMicrophone();
  assert.equal(await client.play(ramp(FRAME)), true);
  microphone.hear(ramp(FRAME));
  assert.deepEqual([microphone.isClosed, server.frames.length], [true, 1]);
});

for (const [code, reason] of [[4009, "replaced"], [1008, "terminated by administrator"], [1000, "idle timeout"]]) {
  test(`${code} ${reason}: it does not connect again by itself`, async () => {
    const { client, sockets, server, microphone, heard } = await connected();
    await client.startMicrophone();
    server.hangUp(code, reason);
    for (let n = 0; n < 5; n += 1) await settle();
    assert.deepEqual([sockets.length, client.state, microphone.isClosed], [1, "closed", true]);
    const [[kind, { error }]] = heard;
    assert.ok(kind === "end" && error instanceof ConnectionLost && error.code === code);
    client.startMicrophone();
    assert.equal(sockets.length, 2); // but when it is asked to
  });

  test(`${code} ${reason}: what is played fails`, async () => {
    const { client, server, heard } = await connected();
    const playing = client.play(ramp(100 * FRAME));
    while (server.frames.length < 2) await settle();
    server.hangUp(code, reason);
    await assert.rejects(playing, (error) => error instanceof ConnectionLost && error.code === code);
    assert.deepEqual(heard.filter(([kind]) => kind === "end"), []);
  });
}

test("a server that is not there is an error", async () => {
  const { client, sockets, heard } = begun();
  const starting = client.startMicrophone();
  await settle();
  sockets[0].hangUp(1006, "");
  await assert.rejects(starting, NotConnected);
  assert.deepEqual([client.isSounding, heard], [false, []]);
});
