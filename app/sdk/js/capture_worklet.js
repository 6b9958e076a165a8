/**
 * Runs in the audio thread: hands on what comes in, of one channel, in blocks.
 *
 * @module
 */

class Capture extends AudioWorkletProcessor {
  #block;
  #filled = 0;
  #isOpen = true;

  /** @param {{processorOptions: {blockLength: number}}} options samples of a block */
  constructor({ processorOptions: { blockLength } }) {
    super();
    this.#block = new Float32Array(blockLength);
    this.port.onmessage = () => (this.#isOpen = false);
  }

  /** @param {Float32Array[][]} inputs @returns {boolean} whether there will be more */
  process([[samples] = []]) {
    if (samples) this.#take(samples);
    return this.#isOpen;
  }

  #take(samples) {
    for (let taken = 0; taken < samples.length; ) {
      const part = samples.subarray(taken, taken + this.#block.length - this.#filled);
      this.#block.set(part, this.#filled);
      taken += part.length;
      this.#filled += part.length;
      if (this.#filled === this.#block.length) this.#handOn();
    }
  }

  #handOn() {
    const block = this.#block;
    this.#block = new Float32Array(block.length);
    this.#filled = 0;
    this.port.postMessage(block, [block.buffer]);
  }
}

registerProcessor("capture", Capture);
