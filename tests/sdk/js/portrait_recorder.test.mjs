import assert from "node:assert/strict";
import { test } from "node:test";

import { NoMicrophone, Recorder } from "../../../app/sdk/js/portrait_recorder.js";
import { fakeBrowser } from "./fake_microphone.mjs";
import { wav } from "./fakes.mjs";

async function recording() {
  const browser = fakeBrowser({});
  const recorder = await Recorder.open(browser.options);
  const told = [];
  for (const kind of ["level", "end"]) recorder.addEventListener(kind, ({ detail }) => told.push([kind, detail]));
  return { recorder, told, node: browser.made.nodes[0], made: browser.made };
}

const content = async (file) => Buffer.from(await file.arrayBuffer());

test("what was heard is a WAV file", async () => {
  const { recorder, told, node, made } = await recording();
  node.hear(Float32Array.of(0, 0.5, -0.5));
  node.hear(Float32Array.of(1, -1));
  const file = recorder.stop();
  const expected = wav([0, 16384, -16384, 32767, -32768], 24000);
  assert.ok((await content(file)).equals(Buffer.from(expected)));
  assert.deepEqual([file.name, file.type], ["recording.wav", "audio/wav"]);
  assert.equal(made.contexts[0].sampleRate, 24000);
  assert.equal(recorder.seconds, 5 / 24000);
  assert.deepEqual(told.map(([kind]) => kind), ["level", "level"]);
  assert.deepEqual(told[1][1], { rms: 1, peak: 1, seconds: 5 / 24000 });
});

test("what comes after its end is not recorded", async () => {
  const { recorder, node } = await recording();
  const before = recorder.stop();
  node.hear(Float32Array.of(1));
  assert.deepEqual([before.size, recorder.stop().size], [44, 44]);
});

test("what was recorded outlives the microphone", async () => {
  const { recorder, told, made, node } = await recording();
  node.hear(new Float32Array(100));
  made.track.dispatchEvent(new Event("ended"));
  assert.ok(told.at(-1)[1].error instanceof NoMicrophone);
  assert.equal(recorder.stop().size, 44 + 200);
});
