import assert from "node:assert/strict";
import { test } from "node:test";

import { Connection, ConnectionLost, delay, NotConnected } from "../../../app/sdk/js/connection.js";
import { fakeNetwork, fakeTimers, settle } from "./fakes.mjs";

const connection = (options) => connectionTo("ws://test/ws", options);

function connectionTo(url, options = {}) {
  const { sockets, FakeWebSocket } = fakeNetwork();
  const timers = fakeTimers();
  const clock = { now: 0 };
  const states = [];
  const opened = new Connection(url, {
    WebSocket: FakeWebSocket,
    setTimeout: timers.setTimeout.bind(timers),
    clearTimeout: timers.clearTimeout,
    now: () => clock.now,
    random: () => 0,
    ...options,
  });
  opened.addEventListener("state", ({ detail }) => states.push(detail));
  opened.open();
  return { opened, sockets, timers, clock, states };
}

test("delays double up to the longest, and jitter shortens them by at most its fraction", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 2000].map((failures) => delay({}, failures, 0)),
    [1, 2, 4, 8, 16, 30, 30],
  );
  for (let n = 0; n < 1000; n += 1) {
    const seconds = delay({ jitter: 0.5 }, 3, Math.random());
    assert.ok(seconds > 4 && seconds <= 8);
  }
});

test("a connection that breaks is opened again, later and later", () => {
  const { sockets, timers, states } = connection();
  for (let n = 0; n < 3; n += 1) {
    sockets.at(-1).accept();
    sockets.at(-1).hangUp(1012, "restarting");
    timers.fire();
  }
  assert.deepEqual(timers.delays, [1000, 2000, 4000]);
  assert.deepEqual(states.map(({ state }) => state).slice(0, 4), ["connecting", "open", "waiting", "connecting"]);
  assert.ok(states[2].error instanceof ConnectionLost);
  assert.deepEqual([states[2].error.code, states[2].delay], [1012, 1]);
});

test("delays start anew after a connection that lasted", () => {
  const { sockets, timers, clock } = connection();
  for (let n = 0; n < 3; n += 1) {
    sockets.at(-1).accept();
    clock.now += 30_000;
    sockets.at(-1).hangUp();
    timers.fire();
  }
  assert.deepEqual(timers.delays, [1000, 1000, 1000]);
});

test("a server that is not there at first ends it, unless it is waited for", () => {
  const eager = connection();
  eager.sockets[0].hangUp(1006, "");
  assert.equal(eager.opened.state, "closed");
  assert.equal(eager.states.at(-1).error.name, "NotConnected");

  const patient = connection({ waitForServer: true });
  patient.sockets[0].hangUp(1006, "");
  assert.equal(patient.opened.state, "waiting");
});

test("a refusal that is told by an error alone, as in Node.js 20, is one", () => {
  const { sockets, states, timers } = connection({ waitForServer: true });
  sockets[0].dispatchEvent(new Event("error"));
  sockets[0].hangUp(1006, ""); // as browsers do
  assert.deepEqual([states.at(-1).state, timers.delays], ["waiting", [1000]]);
});

test("it is given up after so many attempts", () => {
  const { opened, sockets, timers } = connection({ backoff: { attempts: 2 } });
  sockets[0].accept();
  for (let n = 0; n < 3; n += 1) {
    sockets.at(-1).hangUp();
    timers.fire();
  }
  assert.equal(opened.state, "closed");
  assert.equal(sockets.length, 3);
});

test("what is final is not tried again", () => {
  const { opened, sockets, timers, states } = connection({ isFinal: ({ code }) => code === 4009 });
  sockets[0].accept();
  sockets[0].hangUp(1012, "restarting");
  timers.fire();
  sockets[1].accept();
  sockets[1].hangUp(4009, "replaced");
  assert.deepEqual([opened.state, timers.waiting, states.at(-1).error.code], ["closed", 0, 4009]);
});

test("it tells what has not left this machine", () => {
  const { opened, sockets } = connection();
  sockets[0].bufferedAmount = 1000;
  assert.equal(opened.bufferedAmount, 1000);
  opened.close();
  assert.equal(opened.bufferedAmount, 0);
});

test("retry does not wait", () => {
  const { opened, sockets, timers } = connection();
  sockets[0].accept();
  sockets[0].hangUp();
  opened.retry();
  assert.equal(opened.state, "connecting");
  assert.deepEqual([sockets.length, timers.waiting], [2, 0]);
});

test("a closed connection stays closed, and can be opened anew", () => {
  const { opened, sockets, timers } = connection();
  sockets[0].accept();
  opened.close();
  sockets[0].hangUp(1000, "");
  opened.send("nothing");
  opened.close();
  assert.deepEqual([opened.state, sockets[0].closed, sockets[0].heard.length, timers.waiting], ["closed", true, 0, 0]);

  opened.open();
  assert.equal(opened.state, "connecting");
});

test("an address can be asked for before each attempt", async () => {
  const addresses = ["ws://test/first", "ws://test/second"];
  const { sockets, timers } = connectionTo(async () => addresses.shift());
  await settle();
  sockets[0].accept();
  sockets[0].hangUp();
  timers.fire();
  await settle();
  assert.deepEqual(sockets.map(({ url }) => url), ["ws://test/first", "ws://test/second"]);
});

test("without an address for now it is tried again, without one for ever it is given up", async () => {
  const errors = [new NotConnected("not yet"), new Error("no such model")];
  const { timers, states } = connectionTo(async () => Promise.reject(errors.shift()), { waitForServer: true });
  await settle();
  assert.deepEqual([states.at(-1).state, states.at(-1).error.message], ["waiting", "not yet"]);
  timers.fire();
  await settle();
  assert.deepEqual([states.at(-1).state, states.at(-1).error.message], ["closed", "no such model"]);
});

test("an address that comes too late is not used", async () => {
  const { opened, sockets } = connectionTo(async () => "ws://test/late");
  opened.close();
  await settle();
  assert.equal(sockets.length, 0);
});

test("binary messages are told as such", () => {
  const { opened, sockets } = connection();
  const heard = [];
  for (const kind of ["message", "binary"]) opened.addEventListener(kind, ({ detail }) => heard.push([kind, detail]));
  sockets[0].accept();
  const bytes = new ArrayBuffer(3);
  sockets[0].say("text");
  sockets[0].say(bytes);
  assert.deepEqual(heard, [["message", "text"], ["binary", bytes]]);
  assert.equal(sockets[0].binaryType, "arraybuffer");
});

test("who waits for it to open is told when it opens, and what kept it from that", async () => {
  const { opened, sockets } = connection();
  const waiting = opened.opened();
  sockets[0].accept();
  await waiting;
  await opened.opened();
  opened.close();
  const failing = opened.opened();
  sockets[1].hangUp();
  await assert.rejects(failing, NotConnected);
});
