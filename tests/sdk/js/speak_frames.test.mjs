import assert from "node:assert/strict";
import { test } from "node:test";

import { BrokenReply, parseHeader, unpack } from "../../../app/sdk/js/speak_frames.js";
import { frame, wav } from "./fakes.mjs";

test("what was packed is unpacked", () => {
  for (const id of [0, 1, 2 ** 40, "mine ä"]) {
    const audio = new Uint8Array([1, 2, 3]);
    assert.deepEqual(unpack(frame(id, 2, 5, audio)), { requestId: String(id), takeId: "t1", partId: 2, chunkId: 5, audio });
    assert.equal(unpack(frame(id, 2, null, audio)).chunkId, null);
  }
});

test("anything else is a broken reply", () => {
  const whole = frame(1, 0, null, new Uint8Array(0));
  for (let length = 0; length < whole.byteLength; length += 1) {
    assert.throws(() => unpack(whole.slice(0, length)), BrokenReply);
  }
  const objects = ["{}", '{"request_id": 1}', '{"part_id": 0}', '{"request_id": 1, "part_id": "x"}'];
  for (const metadata of ["null", "[]", "7", ...objects]) {
    const message = new TextEncoder().encode(`JSON....${metadata}`);
    new DataView(message.buffer).setUint32(4, metadata.length, true);
    assert.throws(() => unpack(message.buffer), BrokenReply);
  }
});

test("a header tells how the samples are", () => {
  assert.deepEqual(parseHeader(wav([1, 2, 3], 44100)), {
    sampleRate: 44100,
    channels: 1,
    sampleBytes: 2,
    dataStart: 44,
    dataBytes: 6,
  });
});

test("other chunks are passed over, also in the middle of a buffer", () => {
  const whole = wav([1]);
  const list = [...new TextEncoder().encode("LIST"), 3, 0, 0, 0, 9, 9, 9, 0];
  const odd = new Uint8Array([0, 0, 0, ...whole.slice(0, 36), ...list, ...whole.slice(36)]);
  assert.equal(parseHeader(odd.subarray(3)).dataStart, 44 + 12);
});

test("a header may not know its length", () => {
  const file = wav([1, 2]);
  file.fill(255, 40, 44);
  assert.equal(parseHeader(file).dataBytes, null);
  file.fill(0, 40, 44);
  file.fill(255, 4, 8);
  assert.equal(parseHeader(file).dataBytes, null);
  assert.equal(parseHeader(wav([])).dataBytes, 0);
});

test("what is no WAV, or is cut off, is a broken reply", () => {
  const whole = wav([]);
  for (let length = 0; length < 44; length += 1) assert.throws(() => parseHeader(whole.slice(0, length)), BrokenReply);
  assert.throws(() => parseHeader(new TextEncoder().encode("ID3 and so on, which is no WAV")), BrokenReply);
  whole[34] = 12;
  assert.throws(() => parseHeader(whole), BrokenReply);
});
