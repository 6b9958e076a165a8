/**
 * Sound from a microphone, sample by sample, at any rate. For browsers.
 *
 * @module
 */

import { Resampler } from "./resampler.js";

const BLOCKS_PER_SECOND = 32; // a level that follows the music, and few messages between threads
const QUANTUM = 128; // samples that browsers process at once

// What makes speech clear in a call spoils music.
const treatment = (isOn) => ({ echoCancellation: isOn, noiseSuppression: isOn, autoGainControl: isOn });

/** There is no microphone, or this page may not use it. */
export class NoMicrophone extends Error {
  name = "NoMicrophone";

  /** @param {string} message @param {unknown} [cause] */
  constructor(message, cause) {
    super(message, { cause });
  }
}

/**
 * An open microphone.
 *
 * Events, all of them `CustomEvent`s:
 * - `samples`: detail is a `Float32Array`, one channel at `sampleRate`;
 * - `end`: it was taken away, or the browser has stopped it; detail is `{error}`.
 */
export class Microphone extends EventTarget {
  #context;
  #stream;
  #node;
  #resampler;
  #isOpen = true;

  /**
   * Ask the user for a microphone and open it; called from a handler of a gesture, so that browsers let it begin.
   *
   * @param {number} sampleRate Hz
   * @param {object} [options]
   * @param {string} [options.deviceId] of `navigator.mediaDevices.enumerateDevices()`; the user's choice without it
   * @param {boolean} [options.isCall] whether the browser shall take out of it what comes from the loudspeaker, and noise
   * @param {MediaDevices} [options.mediaDevices]
   * @param {typeof AudioContext} [options.AudioContext]
   * @param {typeof AudioWorkletNode} [options.AudioWorkletNode]
   * @returns {Promise<Microphone>}
   * @throws {NoMicrophone}
   */
  static async open(sampleRate, options = {}) {
    const { deviceId, isCall = false, mediaDevices = globalThis.navigator?.mediaDevices, ...classes } = options;
    const { AudioContext, AudioWorkletNode } = { ...browser(), ...classes };
    if (!mediaDevices) {
      throw new NoMicrophone("Browsers give a microphone only to pages of https and of localhost.");
    }
    let stream;
    try {
      const device = deviceId ? { deviceId: { exact: deviceId } } : {};
      stream = await mediaDevices.getUserMedia({ audio: { ...treatment(isCall), channelCount: { ideal: 1 }, ...device } });
    } catch (error) {
      throw new NoMicrophone(why(error), error);
    }
    try {
      return await begin(stream, sampleRate, AudioContext, AudioWorkletNode);
    } catch (error) {
      stop(stream);
      throw error;
    }
  }

  /** What `open` is for. */
  constructor({ context, stream, source, node, sampleRate }) {
    super();
    this.#context = context;
    this.#stream = stream;
    this.#node = node;
    this.#resampler = new Resampler(context.sampleRate, sampleRate);
    node.port.onmessage = ({ data }) => this.#isOpen && this.#tell("samples", this.#resampler.push(data));
    for (const track of stream.getTracks()) track.addEventListener("ended", () => this.#end());
    source.connect(node);
  }

  /** Hz, as the browser records; other than what is told, where it cannot record at that. */
  get recordedRate() {
    return this.#context.sampleRate;
  }

  /** End it; the browser shows that nothing is recorded any more. */
  close() {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#node.port.postMessage("end");
    this.#node.disconnect();
    stop(this.#stream);
    this.#context.close();
  }

  #end() {
    if (!this.#isOpen) return;
    this.close();
    this.#tell("end", { error: new NoMicrophone("The microphone was taken away.") });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const browser = () => ({ AudioContext: globalThis.AudioContext, AudioWorkletNode: globalThis.AudioWorkletNode });

async function begin(stream, sampleRate, AudioContext, AudioWorkletNode) {
  const { context, source } = connect(stream, sampleRate, AudioContext);
  try {
    await context.audioWorklet.addModule(new URL("./capture_worklet.js", import.meta.url));
    const blockLength = Math.max(1, Math.round(context.sampleRate / BLOCKS_PER_SECOND / QUANTUM)) * QUANTUM;
    const node = new AudioWorkletNode(context, "capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { blockLength },
    });
    await context.resume();
    return new Microphone({ context, stream, source, node, sampleRate });
  } catch (error) {
    context.close();
    throw error;
  }
}

/** Some browsers have a context of any rate but record only at that of the microphone. */
function connect(stream, sampleRate, AudioContext) {
  for (const options of [{ sampleRate }, {}]) {
    let context = null;
    try {
      context = new AudioContext(options);
      return { context, source: context.createMediaStreamSource(stream) };
    } catch (error) {
      context?.close();
      if (!options.sampleRate || error.name !== "NotSupportedError") throw error;
    }
  }
}

function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}

function why({ name, message }) {
  if (name === "NotAllowedError") return "The browser does not let this page use a microphone.";
  if (name === "NotFoundError") return "There is no microphone.";
  if (name === "NotReadableError") return "The microphone is in use, or does not work.";
  return `The microphone cannot be used: ${message}`;
}
