/**
 * Plays takes while they are made, parts or chunks, without a gap. For browsers.
 *
 * @module
 */

import { Resampler } from "./resampler.js";

/**
 * Puts the audio of takes into a `Player`, each sample where the one before it ends.
 */
export class TakePlayer {
  #player;
  #header = null;
  #resampler = null;
  #rest = new Uint8Array(0); // of a sample that a chunk has cut in two

  /** @param {import("./player.js").Player} player */
  constructor(player) {
    this.#player = player;
  }

  /**
   * Play what an event has to be heard.
   *
   * @param {import("./speak_stream.js").SpeakEvent} event
   * @param {any} [info] what events of the player shall carry; the event itself
   * @returns {import("./player.js").Item<any> | null} null if nothing is to be heard of it
   */
  play(event, info = event) {
    if (event.type === "end") return this.#enqueue(this.#resampler?.flush(), info);
    if (event.type !== "part" && event.type !== "chunk") return null;
    if (!event.chunkId) this.#begin(event.header);
    return this.#enqueue(this.#resampler.push(this.#samples(event.pcm)), info);
  }

  /** Drop everything, and be ready for another take. */
  clear() {
    this.#resampler = null;
    this.#rest = new Uint8Array(0);
    this.#player.clear();
  }

  #begin(header) {
    if (header.sampleBytes !== 2) throw new RangeError(`audio of ${8 * header.sampleBytes} bits cannot be played`);
    if (this.#header?.sampleRate !== header.sampleRate || !this.#resampler) {
      this.#resampler = new Resampler(header.sampleRate, this.#player.sampleRate);
    }
    this.#header = header;
    this.#rest = new Uint8Array(0);
  }

  /** Read 16-bit samples as -1…1, the mean of the channels. */
  #samples(pcm) {
    const { channels } = this.#header;
    const bytes = new Uint8Array(this.#rest.length + pcm.length);
    bytes.set(this.#rest);
    bytes.set(pcm, this.#rest.length);
    const count = Math.floor(bytes.length / (2 * channels));
    this.#rest = bytes.slice(2 * channels * count);
    const view = new DataView(bytes.buffer);
    const samples = new Float32Array(count);
    for (let n = 0; n < count * channels; n += 1) {
      samples[Math.floor(n / channels)] += view.getInt16(2 * n, true) / (32768 * channels);
    }
    return samples;
  }

  #enqueue(samples, info) {
    return samples?.length ? this.#player.enqueueSamples(samples, info) : null;
  }
}
