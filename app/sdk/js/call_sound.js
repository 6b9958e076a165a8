/**
 * What comes over the line, made audible. For browsers.
 *
 * @module
 */

import { decodeL16 } from "./l16.js";
import { Resampler } from "./resampler.js";

const MAX_DELAY_SECONDS = 0.5; // what was held up for longer is not worth to be heard so late

/** Plays frames as they come, each sample where the one before it ends. */
export class CallSound {
  #player;
  #resampler;
  #last = null;

  /** @param {import("./player.js").Player} player of its own @param {number} sampleRate Hz, of the line */
  constructor(player, sampleRate) {
    this.#player = player;
    this.#resampler = new Resampler(sampleRate, player.sampleRate);
  }

  /**
   * @param {ArrayBuffer} frame L16
   * @returns {Float32Array} its samples
   */
  play(frame) {
    const samples = decodeL16(frame);
    if (this.#player.ahead > MAX_DELAY_SECONDS) this.clear();
    const audible = this.#resampler.push(samples);
    if (audible.length) this.#last = this.#player.enqueueSamples(audible);
    return samples;
  }

  /** Wait until all of it has been heard, or was dropped. */
  async heard() {
    await this.#last?.done;
  }

  /** Drop what has not been heard. */
  clear() {
    this.#player.clear();
  }
}
