import assert from "node:assert/strict";
import { test } from "node:test";

import { Microphone, NoMicrophone } from "../../../app/sdk/js/microphone.js";
import { fakeBrowser } from "./fake_microphone.mjs";

async function opened(options = {}, more = {}) {
  const browser = fakeBrowser(options);
  const microphone = await Microphone.open(22050, { ...browser.options, ...more });
  const heard = [];
  for (const kind of ["samples", "end"]) microphone.addEventListener(kind, ({ detail }) => heard.push(detail));
  return { ...browser, microphone, heard };
}

const ramp = (length) => Float32Array.from({ length }, (_, n) => n / length);

test("it records at the rate that is wanted, music as it is", async () => {
  const { made, microphone, heard } = await opened();
  const [context] = made.contexts;
  const [node] = made.nodes;
  node.hear(ramp(640));
  assert.deepEqual(heard, [ramp(640)]);
  assert.deepEqual([context.sampleRate, microphone.recordedRate, made.connected], [22050, 22050, node]);
  assert.match(context.module, /\/sdk\/js\/capture_worklet\.js$/);
  assert.deepEqual([node.name, node.options.processorOptions, node.options.channelCount], ["capture", { blockLength: 640 }, 1]);
  const [{ audio }] = made.asked;
  assert.deepEqual([audio.echoCancellation, audio.noiseSuppression, audio.autoGainControl], [false, false, false]);
});

test("in a call the browser takes out what is no voice", async () => {
  const { made } = await opened({}, { isCall: true, deviceId: "usb" });
  const [{ audio }] = made.asked;
  assert.deepEqual([audio.echoCancellation, audio.noiseSuppression, audio.autoGainControl], [true, true, true]);
  assert.deepEqual(audio.deviceId, { exact: "usb" });
});

test("where the browser records at its own rate only, it is resampled", async () => {
  const { made, microphone, heard } = await opened({ takesAnyRate: false });
  assert.deepEqual(made.contexts.map(({ sampleRate, isClosed }) => [sampleRate, isClosed]), [[22050, true], [48000, false]]);
  assert.equal(microphone.recordedRate, 48000);
  const tone = Float32Array.from({ length: 48000 }, (_, n) => Math.sin((2 * Math.PI * 440 * n) / 48000));
  for (let at = 0; at < tone.length; at += 1536) made.nodes[0].hear(tone.subarray(at, at + 1536));
  const whole = heard.flatMap((samples) => [...samples]);
  assert.ok(Math.abs(whole.length - 22050) < 40);
  const middle = whole.slice(1000, 21000);
  const worst = Math.max(...middle.map((sample, n) => Math.abs(sample - Math.sin((2 * Math.PI * 440 * (n + 1000)) / 22050))));
  assert.ok(worst < 0.001, String(worst));
});

test("a device can be chosen", async () => {
  const { made } = await opened({}, { deviceId: "usb" });
  assert.deepEqual(made.asked[0].audio.deviceId, { exact: "usb" });
});

test("closing it ends everything, and nothing is told after that", async () => {
  const { made, microphone, heard } = await opened();
  microphone.close();
  microphone.close();
  made.nodes[0].hear(ramp(640));
  made.track.dispatchEvent(new Event("ended"));
  assert.deepEqual([made.track.isStopped, made.contexts[0].isClosed, made.nodes[0].told, heard], [true, true, ["end"], []]);
});

test("a microphone that is taken away is told", async () => {
  const { made, heard } = await opened();
  made.track.dispatchEvent(new Event("ended"));
  assert.ok(heard[0].error instanceof NoMicrophone);
  assert.equal(made.contexts[0].isClosed, true);
});

for (const [name, words] of [
  ["NotAllowedError", /does not let this page/],
  ["NotFoundError", /There is no microphone/],
  ["NotReadableError", /in use/],
  ["OverconstrainedError", /cannot be used: it is OverconstrainedError/],
]) {
  test(`${name} is told in words`, async () => {
    const { options } = fakeBrowser({ refusal: new DOMException(`it is ${name}`, name) });
    await assert.rejects(Microphone.open(22050, options), (error) => {
      return error instanceof NoMicrophone && words.test(error.message) && error.cause.name === name;
    });
  });
}

test("a page that may have none is told why", async () => {
  const { options } = fakeBrowser();
  await assert.rejects(Microphone.open(22050, { ...options, mediaDevices: null }), /https and of localhost/);
});

test("what fails after it was opened closes it again", async () => {
  const { made, options } = fakeBrowser();
  const AudioWorkletNode = class {
    constructor() {
      throw new TypeError("no worklets");
    }
  };
  await assert.rejects(Microphone.open(22050, { ...options, AudioWorkletNode }), TypeError);
  assert.deepEqual([made.track.isStopped, made.contexts[0].isClosed], [true, true]);
});
