/**
 * The sound of a file, of one channel, at any rate. For browsers.
 *
 * @module
 */

import { Resampler } from "./resampler.js";

const COMMON_RATE = 48000; // which every browser has

/**
 * Decode a file of any kind that the browser plays.
 *
 * @param {Blob | ArrayBuffer | Uint8Array} file
 * @param {number} sampleRate Hz
 * @param {typeof OfflineAudioContext} [Context]
 * @returns {Promise<Float32Array>}
 * @throws {DOMException} `EncodingError` if the browser does not know its kind
 */
export async function decode(file, sampleRate, Context = OfflineAudioContext) {
  // decodeAudioData takes the buffer away from its owner, so it gets a copy.
  const bytes = file instanceof Uint8Array ? file.slice().buffer : await new Response(file).arrayBuffer();
  const buffer = await contextOf(sampleRate, Context).decodeAudioData(bytes);
  const samples = mixed(buffer);
  if (buffer.sampleRate === sampleRate) return samples;
  const resampler = new Resampler(buffer.sampleRate, sampleRate);
  const [first, last] = [resampler.push(samples), resampler.flush()];
  const whole = new Float32Array(first.length + last.length);
  whole.set(first);
  whole.set(last, first.length);
  return whole;
}

/** A context decodes to its own rate. */
function contextOf(sampleRate, Context) {
  try {
    return new Context(1, 1, sampleRate);
  } catch {
    return new Context(1, 1, COMMON_RATE);
  }
}

/** @param {AudioBuffer} buffer */
function mixed(buffer) {
  const count = buffer.numberOfChannels;
  const sum = buffer.getChannelData(0);
  for (let channel = 1; channel < count; channel += 1) {
    const samples = buffer.getChannelData(channel);
    for (let n = 0; n < sum.length; n += 1) sum[n] += samples[n];
  }
  for (let n = 0; count > 1 && n < sum.length; n += 1) sum[n] /= count;
  return sum;
}
