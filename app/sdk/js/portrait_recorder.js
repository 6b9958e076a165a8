/**
 * Records what a microphone hears, as a WAV file. For browsers.
 *
 * @module
 */

import { encodeL16 } from "./l16.js";
import { levelOf } from "./level.js";
import { Microphone, NoMicrophone } from "./microphone.js";

export { NoMicrophone };

const SAMPLE_RATE = 24000; // Hz, which is enough for speech

/**
 * Events, all of them `CustomEvent`s:
 * - `level`: detail is `{rms, peak, seconds}`: of the newest samples, 0…1, and how long it is by now;
 * - `end`: the microphone was taken away; detail is `{error}`. What was recorded is still there.
 */
export class Recorder extends EventTarget {
  #microphone;
  #frames = [];
  #length = 0;

  /**
   * Begin; to be called from a handler of a gesture.
   *
   * @param {object} [options] those of `Microphone.open`, and
   * @param {typeof Microphone.open} [options.openMicrophone]
   * @returns {Promise<Recorder>}
   * @throws {NoMicrophone}
   */
  static async open({ openMicrophone = Microphone.open, ...options } = {}) {
    return new Recorder(await openMicrophone(SAMPLE_RATE, options));
  }

  /** What `open` is for. */
  constructor(microphone) {
    super();
    this.#microphone = microphone;
    microphone.addEventListener("samples", ({ detail }) => this.#keep(detail));
    microphone.addEventListener("end", ({ detail }) => this.dispatchEvent(new CustomEvent("end", { detail })));
  }

  /** How long it is by now. */
  get seconds() {
    return this.#length / SAMPLE_RATE;
  }

  /** End it. @returns {File} of 16 bits, one channel; empty of samples if nothing was heard */
  stop() {
    this.#microphone.close();
    return new File([header(this.#length), ...this.#frames], "recording.wav", { type: "audio/wav" });
  }

  #keep(samples) {
    this.#frames.push(encodeL16(samples));
    this.#length += samples.length;
    const detail = { ...levelOf(samples), seconds: this.seconds };
    this.dispatchEvent(new CustomEvent("level", { detail }));
  }
}

/** @param {number} length samples @returns {ArrayBuffer} the head of a WAV file */
function header(length) {
  const view = new DataView(new ArrayBuffer(44));
  const write = (at, text) => [...text].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
  write(0, "RIFF");
  view.setUint32(4, 36 + 2 * length, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, SAMPLE_RATE, true);
  view.setUint32(28, 2 * SAMPLE_RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  write(36, "data");
  view.setUint32(40, 2 * length, true);
  return view.buffer;
}
