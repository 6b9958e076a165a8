import assert from "node:assert/strict";
import { test } from "node:test";

import { decode } from "../../../app/sdk/js/sound_file.js";

/** A context that finds the same sound in every file, of as many channels as its first byte says. */
function contextClass({ rates = [22050, 48000] } = {}) {
  return class {
    constructor(channels, length, sampleRate) {
      if (!rates.includes(sampleRate)) throw new DOMException("no such rate", "NotSupportedError");
      this.sampleRate = sampleRate;
    }

    async decodeAudioData(bytes) {
      const [numberOfChannels] = new Uint8Array(bytes);
      if (!numberOfChannels) throw new DOMException("cannot decode", "EncodingError");
      const { sampleRate } = this;
      const tone = (channel) => Float32Array.from({ length: sampleRate }, (_, n) => (channel + 1) * Math.sin((n * 2764) / sampleRate));
      return { numberOfChannels, sampleRate, getChannelData: tone };
    }
  };
}

const file = (channels) => new Blob([Uint8Array.of(channels)]);
const close = (a, b, within) => a.every((sample, n) => Math.abs(sample - b[n]) < within);

test("a file is decoded at the rate that is wanted, and stays its owner's", async () => {
  const bytes = Uint8Array.of(1);
  const samples = await decode(bytes, 22050, contextClass());
  assert.deepEqual([samples.length, bytes.length], [22050, 1]);
});

test("channels are mixed to their mean", async () => {
  const [mono, stereo] = [await decode(file(1), 22050, contextClass()), await decode(file(2), 22050, contextClass())];
  assert.ok(close(stereo, mono.map((sample) => 1.5 * sample), 1e-5));
});

test("a rate that the browser has not is made", async () => {
  const wanted = await decode(file(1), 22050, contextClass());
  const made = await decode(file(1), 22050, contextClass({ rates: [48000] }));
  assert.ok(Math.abs(made.length - 22050) < 3);
  assert.ok(close(made.subarray(100, 21900), wanted.subarray(100, 21900), 0.001));
});

test("what cannot be decoded is an error", async () => {
  await assert.rejects(decode(file(0), 22050, contextClass()), { name: "EncodingError" });
});
