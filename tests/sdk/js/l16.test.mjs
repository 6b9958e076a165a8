import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeL16, encodeL16 } from "../../../app/sdk/js/l16.js";

const bytes = (...given) => Uint8Array.from(given).buffer;

test("samples are little-endian, and what is too loud is cut off", () => {
  const encoded = encodeL16(Float32Array.of(0, 0.5, -0.5, 1, -1, 7, -7, 1 / 32768));
  assert.deepEqual(
    [...new Uint8Array(encoded)],
    [0, 0, 0, 0x40, 0, 0xc0, 0xff, 0x7f, 0, 0x80, 0xff, 0x7f, 0, 0x80, 1, 0],
  );
});

test("what was decoded is encoded to the same bytes", () => {
  const all = new Int16Array(65536).map((_, n) => n - 32768);
  assert.deepEqual(new Int16Array(encodeL16(decodeL16(all.buffer))), all);
});

test("half a sample is left out", () => {
  assert.deepEqual([...decodeL16(bytes(0, 0x40, 7))], [0.5]);
  assert.equal(decodeL16(bytes()).length, 0);
});
