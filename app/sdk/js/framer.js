/**
 * Sound in pieces of one length.
 *
 * @module
 */

export class Framer {
  #frame;
  #filled = 0;

  /** @param {number} length samples of each frame */
  constructor(length) {
    this.#frame = new Float32Array(length);
  }

  /**
   * @param {Float32Array} samples the next ones, as many as there are
   * @returns {Float32Array[]} the frames that are whole now
   */
  push(samples) {
    const whole = [];
    for (let taken = 0; taken < samples.length; ) {
      const part = samples.subarray(taken, taken + this.#frame.length - this.#filled);
      this.#frame.set(part, this.#filled);
      taken += part.length;
      this.#filled += part.length;
      if (this.#filled === this.#frame.length) {
        whole.push(this.#frame);
        this.#frame = new Float32Array(this.#frame.length);
        this.#filled = 0;
      }
    }
    return whole;
  }
}
