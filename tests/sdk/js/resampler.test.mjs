import assert from "node:assert/strict";
import { test } from "node:test";

import { Resampler } from "../../../app/sdk/js/resampler.js";

const RATES = [
  [22050, 48000],
  [44100, 48000],
  [24000, 44100],
  [16000, 48000],
  [48000, 44100],
  [44100, 22050],
  [24000, 24000],
];

const sine = (hz, rate, seconds) =>
  Float32Array.from({ length: rate * seconds }, (_, n) => Math.sin((2 * Math.PI * hz * n) / rate));

function join(pieces) {
  const whole = new Float32Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function resampled(samples, from, to, sizes) {
  const resampler = new Resampler(from, to);
  const pieces = [];
  for (let at = 0, n = 0; at < samples.length; n += 1) {
    const size = sizes[n % sizes.length];
    pieces.push(resampler.push(samples.subarray(at, at + size)));
    at += size;
  }
  return join([...pieces, resampler.flush()]);
}

for (const [from, to] of RATES) {
  test(`${from} to ${to} Hz: however it is cut, the pieces join to the same`, () => {
    const samples = sine(440, from, 0.25);
    const whole = resampled(samples, from, to, [samples.length]);
    for (const sizes of [[1], [2048], [7, 300, 1, 4099], [1000, 1]]) {
      assert.deepEqual(resampled(samples, from, to, sizes), whole);
    }
  });

  test(`${from} to ${to} Hz: a tone stays this tone`, () => {
    const made = resampled(sine(1000, from, 0.5), from, to, [2048]);
    const wanted = sine(1000, to, 0.5);
    assert.ok(Math.abs(made.length - wanted.length) <= 2);
    let [noise, signal] = [0, 0];
    for (let n = 1000; n < wanted.length - 1000; n += 1) {
      noise += (made[n] - wanted[n]) ** 2;
      signal += wanted[n] ** 2;
    }
    assert.ok(10 * Math.log10(signal / noise) > 60, `${(10 * Math.log10(signal / noise)).toFixed(1)} dB`);
  });
}

test("what would fold back is kept out", () => {
  const made = resampled(sine(15000, 48000, 0.5), 48000, 22050, [2048]).subarray(1000, 10000);
  assert.ok(Math.sqrt(made.reduce((sum, sample) => sum + sample ** 2, 0) / made.length) < 0.002);
});
