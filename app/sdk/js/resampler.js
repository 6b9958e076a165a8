/**
 * Sound at another sample rate, piece by piece: the pieces, joined, are what the whole would have become at once.
 *
 * Browsers resample every buffer by itself, which clicks where one ends and the next begins. This is a windowed sinc
 * (J. O. Smith, Digital Audio Resampling) at the exact ratio of the rates, so that nothing drifts.
 *
 * @module
 */

const ZERO_CROSSINGS = 16; // on each side
const PASS_BAND = 0.95; // of the lower Nyquist frequency

export class Resampler {
  #from;
  #to;
  #reach;
  #rows = new Map();
  #held;
  #heldFrom;
  #next = 0;

  /** @param {number} from Hz @param {number} to Hz */
  constructor(from, to) {
    const divisor = greatestCommonDivisor(from, to);
    this.#from = from / divisor;
    this.#to = to / divisor;
    this.#reach = Math.ceil(ZERO_CROSSINGS * Math.max(1, from / to));
    this.#held = new Float32Array(this.#reach); // silence before the beginning
    this.#heldFrom = -this.#reach;
  }

  /**
   * @param {Float32Array} samples the next ones
   * @returns {Float32Array} what they make, as far as it does not depend on later ones
   */
  push(samples) {
    if (this.#from === this.#to) return samples;
    const held = new Float32Array(this.#held.length + samples.length);
    held.set(this.#held);
    held.set(samples, this.#held.length);
    const known = this.#heldFrom + held.length; // index of the first sample that is not known yet
    const last = Math.ceil(((known - this.#reach) * this.#to) / this.#from);
    const made = new Float32Array(Math.max(0, last - this.#next));
    for (let n = 0; n < made.length; n += 1) made[n] = this.#at(held, this.#next + n);
    this.#next += made.length;
    const needed = Math.floor((this.#next * this.#from) / this.#to) - this.#reach + 1;
    const dropped = Math.max(0, needed - this.#heldFrom);
    this.#held = held.subarray(dropped);
    this.#heldFrom += dropped;
    return made;
  }

  /** @returns {Float32Array} the rest, after which silence follows */
  flush() {
    return this.push(new Float32Array(this.#from === this.#to ? 0 : this.#reach));
  }

  #at(held, index) {
    const position = index * this.#from;
    const whole = Math.floor(position / this.#to);
    const weights = this.#row(position - whole * this.#to);
    const start = whole - this.#reach + 1 - this.#heldFrom;
    let sum = 0;
    for (let n = 0; n < weights.length; n += 1) sum += weights[n] * held[start + n];
    return sum;
  }

  /** Weights of the samples around a place that lies `phase` / `to` behind a sample. */
  #row(phase) {
    let row = this.#rows.get(phase);
    if (!row) {
      const first = 1 - this.#reach - phase / this.#to;
      row = Float32Array.from({ length: 2 * this.#reach }, (_, n) => this.#weight(first + n));
      const sum = row.reduce((total, weight) => total + weight, 0);
      row = row.map((weight) => weight / sum); // a constant stays what it is
      this.#rows.set(phase, row);
    }
    return row;
  }

  #weight(distance) {
    const cutoff = PASS_BAND * Math.min(1, this.#to / this.#from);
    const x = Math.PI * cutoff * distance;
    const window = 0.5 + 0.5 * Math.cos((Math.PI * distance) / this.#reach); // Hann
    return Math.abs(distance) >= this.#reach ? 0 : (x === 0 ? 1 : Math.sin(x) / x) * window;
  }
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
