import assert from "node:assert/strict";
import { test } from "node:test";

let Capture = null;
globalThis.AudioWorkletProcessor = class {
  port = { posted: [], postMessage: (block, transferred) => this.port.posted.push({ block, transferred }) };
};
globalThis.registerProcessor = (name, processor) => (Capture = { name, processor });
await import("../../../app/sdk/js/capture_worklet.js");

const capture = (blockLength) => new Capture.processor({ processorOptions: { blockLength } });
const quantum = (from) => Float32Array.from({ length: 128 }, (_, n) => from + n);

test("blocks join to what comes in", () => {
  const made = capture(300);
  for (let n = 0; n < 10; n += 1) assert.equal(made.process([[quantum(128 * n)]]), true);
  const blocks = made.port.posted.map(({ block }) => block);
  assert.equal(Capture.name, "capture");
  assert.deepEqual(blocks.map(({ length }) => length), [300, 300, 300, 300]);
  assert.deepEqual(blocks.flatMap((block) => [...block]), Array.from({ length: 1200 }, (_, n) => n));
  for (const { block, transferred } of made.port.posted) assert.deepEqual(transferred, [block.buffer]);
});

test("while nothing comes in it waits", () => {
  const made = capture(128);
  assert.equal(made.process([[]]), true);
  made.process([[quantum(0)]]);
  assert.equal(made.port.posted.length, 1);
});

test("it ends when it is told to", () => {
  const made = capture(128);
  made.port.onmessage({ data: "end" });
  assert.equal(made.process([[quantum(0)]]), false);
});
