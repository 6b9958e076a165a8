import assert from "node:assert/strict";
import { test } from "node:test";

import { CallClient, ConnectionLost, NoMicrophone, NotConnected } from "../../../app/sdk/js/call.js";
import { Player } from "../../../app/sdk/js/player.js";
import { FakeAudioContext, fakeFetch, fakeNetwork, settle } from "./fakes.mjs";

const FRAME = 320;
const CONNECTED = { event: "websocket:connected", "content-type": "audio/l16;rate=16000" };

class FakeMicrophone extends EventTarget {
  isClosed = false;

  close() {
    this.isClosed = true;
  }

  hear(samples) {
    this.dispatchEvent(new CustomEvent("samples", { detail: samples }));
  }

  takeAway() {
    this.dispatchEvent(new CustomEvent("end", { detail: { error: new NoMicrophone("The microphone was taken away.") } }));
  }
}

/** A client, the sockets that it opens, its loudspeakers, and what it tells. */
function begun(options = {}, url = "http://test") {
  const { sockets, FakeWebSocket } = fakeNetwork();
  class CallSocket extends FakeWebSocket {
    bufferedAmount = 0;
    frames = [];

    send(message) {
      if (typeof message === "string") super.send(message);
      else this.frames.push(message);
    }
  }
  const microphones = [];
  const asked = [];
  const openMicrophone = async (...wanted) => {
    asked.push(wanted);
    microphones.push(new FakeMicrophone());
    return microphones.at(-1);
  };
  const contexts = [];
  const makePlayer = () => {
    contexts.push(Object.assign(new FakeAudioContext(), { sampleRate: 16000 }));
    return new Player({ context: contexts.at(-1), gestures: null });
  };
  const clock = { now: 0 };
  const timers = [];
  const rest = { WebSocket: CallSocket, setTimeout: (callback) => timers.push(callback), now: () => clock.now };
  const client = new CallClient(url, { openMicrophone, makePlayer, random: () => 0, ...rest, ...options });
  const told = [];
  for (const kind of ["level", "roundtrip", "dropped", "match", "lost", "spoken", "error", "end", "progress"]) {
    client.addEventListener(kind, ({ detail }) => told.push([kind, detail]));
  }
  const of = (kind) => told.filter(([other]) => other === kind).map(([, detail]) => detail);
  return { client, sockets, microphones, asked, contexts, clock, timers, told, of };
}

async function called(choices, options) {
  const world = begun(options);
  const starting = world.client.start(choices);
  world.sockets[0].accept();
  await starting;
  return { ...world, server: world.sockets[0], microphone: world.microphones[0] };
}

const ramp = (length) => Float32Array.from({ length }, (_, n) => (n % 1000) / 1000);
const silence = (length = FRAME) => new ArrayBuffer(2 * length);

test("a call says what it is and where it goes", async () => {
  const { sockets, server, asked } = await called({ isCall: true, deviceId: "usb" }, { token: "a b" });
  assert.equal(String(sockets[0].url), "ws://test/ws/echo?processor=echo&rate=16000&token=a+b");
  assert.deepEqual(server.heard, [CONNECTED]);
  assert.deepEqual(asked, [[16000, { isCall: true, deviceId: "usb" }]]);
});

test("a server may have a prefix and another rate", async () => {
  const { client, sockets } = begun({ sampleRate: 8000 }, "https://example.org/chorus/");
  client.start({ processor: "recognize" }).catch(() => {});
  assert.equal(String(sockets[0].url), "wss://example.org/chorus/ws/echo?processor=recognize&rate=8000");
  sockets[0].accept();
  assert.equal(sockets[0].heard[0]["content-type"], "audio/l16;rate=8000");
});

test("a microphone is sent in frames of 20 ms", async () => {
  const { server, microphone, of } = await called();
  const samples = ramp(3 * FRAME + 100);
  for (let at = 0; at < samples.length; at += 500) microphone.hear(samples.subarray(at, at + 500));
  assert.deepEqual(server.frames.map(({ byteLength }) => byteLength), [640, 640, 640]);
  assert.equal(new Int16Array(server.frames[1])[0], Math.round(samples[FRAME] * 32768));
  assert.deepEqual(of("level").map(({ way }) => way), ["sent", "sent", "sent"]);
});

test("what comes back is heard without a gap, and its round trip is told", async () => {
  const { server, microphone, contexts, clock, of } = await called();
  microphone.hear(ramp(2 * FRAME));
  clock.now = 30;
  server.say(server.frames[0]);
  clock.now = 45;
  server.say(server.frames[1]);
  server.say(silence());
  assert.deepEqual(of("roundtrip"), [{ seconds: 0.03 }, { seconds: 0.045 }]);
  const [{ sources }] = contexts;
  assert.deepEqual(sources.map(({ buffer }) => buffer.samples.length), [FRAME, FRAME, FRAME]);
  assert.ok(Math.abs(sources[2].startedAt - sources[0].startedAt - 0.04) < 1e-9);
  assert.deepEqual(of("level").map(({ way }) => way), ["sent", "sent", "heard", "heard", "heard"]);
  assert.equal(of("level").at(-1).rms, 0);
});

test("what was held up for too long is not heard so late", async () => {
  const { server, contexts } = await called();
  for (let n = 0; n < 30; n += 1) server.say(silence());
  const { sources } = contexts[0];
  assert.equal(sources.filter(({ stopped }) => stopped).length, 24); // and 20 ms before the first make half a second
  assert.ok(sources.at(-1).startedAt < 0.2);
});

test("a network that is too slow loses frames and not time", async () => {
  const { server, microphone, of } = await called();
  server.bufferedAmount = 16001;
  microphone.hear(ramp(FRAME));
  server.bufferedAmount = 16000;
  microphone.hear(ramp(FRAME));
  server.say(silence());
  assert.deepEqual([server.frames.length, of("dropped").length, of("roundtrip").length], [1, 1, 1]);
});

test("texts are spoken without a microphone", async () => {
  const { client, server, asked, of } = await called({ processor: "speak", microphone: false });
  client.say("Good evening\ud83d", { language: "en", id: "7" });
  client.clear();
  server.say({ event: "chorus:spoken", id: "7", seconds: 1.5 });
  server.say({ event: "chorus:error", id: "8", message: "too long" });
  server.say({ event: "websocket:cleared" });
  assert.deepEqual(server.heard.slice(1), [
    { event: "speak", text: "Good evening\ufffd", language: "en", id: "7" },
    { action: "clear" },
  ]);
  assert.deepEqual([of("spoken"), of("error")], [[{ id: "7", seconds: 1.5 }], [{ id: "8", message: "too long" }]]);
  assert.equal(asked.length, 0);
});

test("music on the line is told", async (t) => {
  const warned = t.mock.method(console, "warn", () => {});
  const { server, of } = await called({ processor: "recognize" });
  const matches = [{ video_id: "abc123", title: "Song" }];
  server.say({ event: "chorus:match", matches, seconds: 3 });
  server.say({ event: "chorus:lost" });
  server.say("no JSON");
  server.say({ event: "something new" });
  assert.deepEqual([of("match"), of("lost")], [[{ matches, seconds: 3 }], [{}]]);
  assert.equal(warned.mock.callCount(), 2);
});

test("hanging up ends everything", async () => {
  const { client, server, microphone, contexts, of } = await called();
  server.say(silence());
  client.stop();
  microphone.hear(ramp(FRAME));
  server.say(silence());
  assert.deepEqual([client.state, microphone.isClosed, server.closed, server.frames.length], ["closed", true, true, 0]);
  assert.ok(contexts[0].sources.every(({ stopped }) => stopped));
  assert.deepEqual([of("end"), contexts[0].sources.length], [[], 1]);
});

test("a connection that breaks is opened again, and the call goes on", async () => {
  const { client, server, sockets, microphone, timers, of } = await called();
  microphone.hear(ramp(FRAME));
  server.hangUp(1012, "restarting");
  microphone.hear(ramp(FRAME));
  assert.equal(client.state, "waiting");
  client.retry();
  sockets[1].accept();
  microphone.hear(ramp(FRAME));
  sockets[1].say(silence());
  assert.deepEqual(sockets[1].heard, [CONNECTED]);
  assert.deepEqual([sockets[1].frames.length, of("dropped").length, of("roundtrip").length, timers.length], [1, 1, 1, 1]);
});

for (const [code, reason] of [[1008, "too much"], [1000, "idle"]]) {
  test(`a call that the server ends with ${code} has ended`, async () => {
    const { client, server, microphone, of } = await called();
    server.hangUp(code, reason);
    assert.deepEqual(of("end").map(({ error }) => [error.name, error.reason]), [["ConnectionLost", reason]]);
    assert.deepEqual([client.state, microphone.isClosed], ["closed", true]);
  });
}

test("a server that is not there is told to who calls", async () => {
  const { client, sockets, of } = begun();
  const starting = client.start();
  sockets[0].hangUp(1006, "");
  await assert.rejects(starting, NotConnected);
  assert.deepEqual([client.state, of("end").length], ["closed", 0]);
});

test("a microphone that is refused ends the call", async () => {
  const refusal = new NoMicrophone("no");
  const { client, sockets } = begun({ openMicrophone: () => Promise.reject(refusal) });
  const starting = client.start();
  sockets[0].accept();
  await assert.rejects(starting, refusal);
  assert.deepEqual([client.state, sockets[0].closed], ["closed", true]);
});

test("a microphone that is taken away ends the call", async () => {
  const { client, microphone, of } = await called();
  microphone.takeAway();
  assert.deepEqual([client.state, of("end").map(({ error }) => error.name)], ["closed", ["NoMicrophone"]]);
});

test("who hangs up while the microphone is being asked for leaves none open", async () => {
  let give;
  const { client, sockets } = begun({ openMicrophone: () => new Promise((resolve) => (give = resolve)) });
  const starting = client.start();
  sockets[0].accept();
  await settle();
  client.stop();
  const microphone = new FakeMicrophone();
  give(microphone);
  await assert.rejects(starting, NotConnected);
  assert.ok(microphone.isClosed);
});

test("another call takes the place of the first", async () => {
  const { client, server, sockets, microphone } = await called();
  const again = client.start({ processor: "speak", microphone: false });
  sockets[1].accept();
  await again;
  assert.deepEqual([server.closed, microphone.isClosed, client.state], [true, true, "open"]);
});

test("files are listed", async () => {
  const files = [{ filename: "welcome.wav" }];
  const { asked, fetch } = fakeFetch(() => [200, { files }]);
  const { client } = begun({ fetch, token: "key" }, "ws://test/chorus");
  assert.deepEqual(await client.files(), files);
  assert.deepEqual([asked[0].path, asked[0].headers], ["/chorus/audio", { Authorization: "Bearer key" }]);
});

test("a list that is refused says how", async () => {
  const { client } = begun({ fetch: fakeFetch(() => [401, {}]).fetch });
  await assert.rejects(client.files(), { status: 401 });
});

test("a file is played to its end", async () => {
  const { client, sockets, contexts, of } = begun({ token: "key" });
  const playing = client.play("Grüße & 100 %.wav");
  const path = "/ws/play/Gr%C3%BC%C3%9Fe%20%26%20100%20%25.wav";
  assert.equal(String(sockets[0].url), `ws://test${path}?format=l16&rate=16000&token=key`);
  sockets[0].accept();
  for (let n = 0; n < 3; n += 1) sockets[0].say(silence());
  sockets[0].hangUp(1000, "");
  await settle();
  assert.ok(client.isPlaying); // until it has been heard
  for (const source of contexts[0].sources) contexts[0].end(source);
  assert.equal(await playing, true);
  assert.deepEqual([client.isPlaying, of("progress").at(-1)], [false, { seconds: 0.06 }]);
  assert.deepEqual(of("level").map(({ way }) => way), ["file", "file", "file"]);
});

test("an empty file is played at once", async () => {
  const { client, sockets } = begun();
  const playing = client.play("empty.wav");
  sockets[0].accept();
  sockets[0].hangUp(1000, "");
  assert.equal(await playing, true);
});

test("a file that is refused says why, and is not asked for again", async () => {
  const { client, sockets, timers } = begun();
  const playing = client.play("letter.txt");
  sockets[0].accept();
  sockets[0].hangUp(1003, "Unsupported audio format");
  await assert.rejects(playing, (error) => error instanceof ConnectionLost && error.reason === "Unsupported audio format");
  assert.deepEqual([sockets.length, timers.length, client.isPlaying], [1, 0, false]);
});

test("a file can be stopped, and another one takes its place", async () => {
  const { client, sockets, contexts } = begun();
  const first = client.play("a.wav");
  sockets[0].accept();
  sockets[0].say(silence());
  const second = client.play("b.wav");
  assert.equal(await first, false);
  assert.ok(contexts[0].sources[0].stopped);
  client.stopFile();
  assert.equal(await second, false);
  assert.deepEqual([sockets[0].closed, sockets[1].closed, contexts.length], [true, true, 1]);
});

test("a file sounds beside a call", async () => {
  const { client, server, sockets, contexts } = await called();
  client.play("a.wav").catch(() => {});
  sockets[1].accept();
  sockets[1].say(silence());
  server.say(silence());
  client.volume = 0.25;
  assert.deepEqual(contexts.map(({ sources }) => sources.length), [1, 1]);
  assert.equal(client.volume, 0.25);
});
