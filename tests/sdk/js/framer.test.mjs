import assert from "node:assert/strict";
import { test } from "node:test";

import { Framer } from "../../../app/sdk/js/framer.js";

test("frames join to what was pushed, however it was cut", () => {
  const samples = Float32Array.from({ length: 1003 }, (_, n) => n);
  for (const size of [1, 7, 100, 128, 1003]) {
    const framer = new Framer(100);
    const frames = [];
    for (let at = 0; at < samples.length; at += size) frames.push(...framer.push(samples.subarray(at, at + size)));
    assert.deepEqual(frames.map(({ length }) => length), Array(10).fill(100));
    assert.deepEqual(frames.flatMap((frame) => [...frame]), [...samples.subarray(0, 1000)]);
  }
});
