import assert from "node:assert/strict";
import { test } from "node:test";

import { Player } from "../../../app/sdk/js/player.js";
import { parseHeader } from "../../../app/sdk/js/speak_frames.js";
import { TakePlayer } from "../../../app/sdk/js/take_player.js";
import { FakeAudioContext, wav } from "./fakes.mjs";

function player(sampleRate = 22050) {
  const context = Object.assign(new FakeAudioContext(), { sampleRate });
  return { context, player: new TakePlayer(new Player({ context, gestures: null })) };
}

function part(partId, file) {
  const header = parseHeader(file);
  return { type: "part", partId, chunkId: undefined, header, audio: file, pcm: file.subarray(header.dataStart) };
}

function chunks(partId, file, ...cuts) {
  const header = parseHeader(file);
  return [0, ...cuts].map((start, chunkId) => {
    const audio = file.subarray(start, cuts[chunkId] ?? file.length);
    return { type: "chunk", partId, chunkId, header, audio, pcm: chunkId ? audio : audio.subarray(header.dataStart) };
  });
}

const heard = ({ sources }) =>
  sources.flatMap(({ buffer }) => [...buffer.samples].map((sample) => Math.round(sample * 32768)));

function assertGapless({ sources, sampleRate }) {
  for (let n = 1; n < sources.length; n += 1) {
    const gap = sources[n].startedAt - sources[n - 1].startedAt - sources[n - 1].buffer.duration;
    assert.ok(Math.abs(gap) * sampleRate < 1e-3, `${gap} s between ${n - 1} and ${n}`);
  }
}

test("parts are played one after the other without a gap", () => {
  const { context, player: made } = player();
  const items = [part(0, wav([1, 2, 3])), part(1, wav([4, 5]))].map((event) => made.play(event));
  assert.equal(made.play({ type: "status", status: "ready", item: {} }), null);
  made.play({ type: "end", item: {} });
  assert.deepEqual(heard(context), [1, 2, 3, 4, 5]);
  assert.deepEqual(items.map(({ info }) => info.partId), [0, 1]);
  assertGapless(context);
});

test("chunks are played as one, wherever they are cut", () => {
  const samples = Array.from({ length: 100 }, (_, n) => n * 100);
  for (const cuts of [[45], [46, 47, 51], [60, 61, 62, 200]]) {
    const { context, player: made } = player();
    for (const event of chunks(0, wav(samples), ...cuts)) made.play(event);
    assert.deepEqual(heard(context), samples);
    assertGapless(context);
  }
});

test("at another rate too, no sample is lost or doubled between chunks", () => {
  const samples = Array.from({ length: 22050 }, (_, n) => Math.round(10000 * Math.sin(n / 20)));
  const whole = player(48000);
  whole.player.play(part(0, wav(samples)));
  whole.player.play({ type: "end", item: {} });
  const pieces = player(48000);
  for (const event of chunks(0, wav(samples), 1000, 5096, 5097, 30001)) pieces.player.play(event);
  pieces.player.play({ type: "end", item: {} });
  assert.deepEqual(heard(pieces.context), heard(whole.context));
  assert.ok(Math.abs(heard(whole.context).length - 48000) <= 2);
  assertGapless(pieces.context);
});

test("several channels become one", () => {
  const { context, player: made } = player();
  const file = wav([10, 20, 30, 50]);
  file[22] = 2;
  made.play(part(0, file));
  assert.deepEqual(heard(context), [15, 40]);
});

test("after clearing, nothing of the old take is left", () => {
  const { context, player: made } = player(48000);
  for (const event of chunks(0, wav(Array(500).fill(9000)), 101)) made.play(event);
  made.clear();
  const before = context.sources.length;
  for (const event of chunks(0, wav(Array(500).fill(0)), 101)) made.play(event);
  assert.ok(context.sources.slice(before).every(({ buffer }) => buffer.samples.every((sample) => sample === 0)));
  assert.ok(context.sources.slice(0, before).every(({ stopped }) => stopped));
});

test("what cannot be played is refused", () => {
  const file = wav([1, 2]);
  file[34] = 24;
  assert.throws(() => player().player.play(part(0, file)), RangeError);
});
