import assert from "node:assert/strict";
import { test } from "node:test";

import { Player } from "../../../app/sdk/js/player.js";
import { FakeAudioContext, settle } from "./fakes.mjs";

const LEAD = 0.02;

function player(context = new FakeAudioContext(), gestures = null) {
  const heard = [];
  const made = new Player({ context, gestures });
  for (const kind of ["start", "end", "error", "idle", "lock"]) {
    made.addEventListener(kind, ({ detail }) => heard.push(detail.item ? `${kind} ${detail.item.info}` : kind));
  }
  return { made, context, heard };
}

const seconds = (...bytes) => new Uint8Array(bytes);

test("each piece starts where the one before it ends", async () => {
  const { made, context, heard } = player();
  for (const n of [2, 3, 1]) made.enqueue(seconds(n), n);
  await settle();
  assert.deepEqual(context.sources.map(({ startedAt }) => startedAt), [LEAD, 2 + LEAD, 5 + LEAD]);

  for (const source of context.sources) context.end(source);
  assert.deepEqual(heard, ["start 2", "end 2", "start 3", "end 3", "start 1", "end 1", "idle"]);
  assert.deepEqual([made.length, made.playing], [0, null]);
});

test("pieces keep their order, whichever is decoded first", async () => {
  const { made, context } = player();
  made.enqueue(seconds(5, 3), "slow");
  made.enqueue(seconds(1), "fast");
  await settle();
  assert.equal(context.sources.length, 0);
  for (let turn = 0; turn < 5; turn += 1) await settle();
  assert.deepEqual(context.sources.map(({ buffer }) => buffer.duration), [5, 1]);
});

test("a piece that comes late starts at once", async () => {
  const { made, context } = player();
  made.enqueue(seconds(1));
  await settle();
  context.end(context.sources[0]);
  context.currentTime = 10;
  made.enqueue(seconds(1));
  await settle();
  assert.equal(context.sources[1].startedAt, 10 + LEAD);
});

test("skipping goes on with the next at once", async () => {
  const { made, context, heard } = player();
  const items = [2, 3, 4].map((n) => made.enqueue(seconds(n), n));
  await settle();
  context.currentTime = 1;
  made.skip();
  const [first, , , second, third] = context.sources;
  assert.ok(first.stopped);
  assert.deepEqual([second.startedAt, third.startedAt], [1 + LEAD, 4 + LEAD]);
  assert.deepEqual(heard, ["start 2", "end 2", "start 3"]);
  assert.equal(await items[0].done, false);
});

test("clearing drops everything", async () => {
  const { made, context, heard } = player();
  const items = [2, 3].map((n) => made.enqueue(seconds(n), n));
  await settle();
  made.clear();
  assert.ok(context.sources.every(({ stopped }) => stopped));
  assert.deepEqual(await Promise.all(items.map(({ done }) => done)), [false, false]);
  assert.deepEqual(heard, ["start 2", "end 2", "idle"]);
  made.clear();
  made.skip();
  assert.equal(heard.length, 3);
});

test("what was dropped while it was decoded is not played", async () => {
  const { made, context } = player();
  made.enqueue(seconds(2, 2));
  made.clear();
  for (let turn = 0; turn < 4; turn += 1) await settle();
  assert.equal(context.sources.length, 0);
});

test("what is no audio is told and passed over", async () => {
  const { made, context, heard } = player();
  const broken = made.enqueue(seconds(0), "broken");
  const whole = made.enqueue(seconds(1), "whole");
  await settle();
  assert.deepEqual(heard, ["error broken", "start whole"]);
  assert.equal(await broken.done, false);
  context.end(context.sources[0]);
  assert.equal(await whole.done, true);
});

test("the position is that of the piece that plays", async () => {
  const { made, context } = player();
  assert.equal(made.position, 0);
  made.enqueue(seconds(2));
  await settle();
  context.currentTime = 1 + LEAD;
  assert.equal(made.position, 1);
  context.currentTime = 9;
  assert.equal(made.position, 2);
});

test("it is known how much is to be heard yet", async () => {
  const { made, context } = player();
  assert.equal(made.ahead, 0);
  made.enqueue(seconds(2));
  made.enqueue(seconds(3));
  await settle();
  assert.equal(made.ahead, 5 + LEAD);
  context.currentTime = 9;
  assert.equal(made.ahead, 0);
  made.clear();
  assert.equal(made.ahead, 0);
});

test("sound waits for a gesture where the browser wants one", async () => {
  const context = new FakeAudioContext();
  const gestures = new EventTarget();
  context.state = "suspended";
  const { made, heard } = player(context, gestures);
  assert.ok(made.locked);
  gestures.dispatchEvent(new Event("pointerdown"));
  await settle();
  assert.ok(!made.locked);
  assert.equal(await made.unlock(), true);
  assert.deepEqual(heard, []);
});

test("the caller keeps the bytes", async () => {
  const { made, context } = player();
  context.decodeAudioData = async (bytes) => {
    structuredClone(bytes, { transfer: [bytes] });
    return { duration: 1 };
  };
  const audio = seconds(1, 2, 3);
  made.enqueue(audio);
  made.enqueue(audio.buffer);
  await settle();
  assert.equal(audio.length, 3);
});

test("volume is the gain of the output", () => {
  const { made } = player();
  made.volume = 0.5;
  assert.equal(made.volume, 0.5);
  assert.equal(made.output.gain.value, 0.5);
});
