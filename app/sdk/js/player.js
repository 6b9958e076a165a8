/**
 * Plays pieces of audio one after the other without a gap. For browsers.
 *
 * @module
 */

const LEAD_SECONDS = 0.02; // between scheduling a sound and its start, so that it does not start in the past

/**
 * One piece of audio in a player.
 *
 * @template Info
 * @typedef {object} Item
 * @property {Info} info what was given with it
 * @property {AudioBuffer | null} buffer its sound; null before it is decoded
 * @property {number | null} duration seconds; null before it is decoded
 * @property {Promise<boolean>} done whether it was played to its end, known when it has ended or was dropped
 */

/**
 * A queue of audio files. Each is decoded when it is enqueued, and starts on the sample where the one before it ends.
 *
 * A browser lets a page make sound only after a gesture. Until then the queue waits; the player unlocks itself at the
 * first key or pointer press, or by `unlock()` called from a handler of one.
 *
 * Events, all of them `CustomEvent`s:
 * - `decoded`, `start`, `end`, `error`: detail is `{item, error}`;
 * - `idle`: nothing is left;
 * - `lock`: detail is `{locked}`, when sound becomes possible or turns out not to be.
 */
export class Player extends EventTarget {
  #context;
  #gain;
  #items = [];
  #playing = null;
  #freeAt = 0;
  #wasLocked = false;

  /**
   * @param {object} [options]
   * @param {AudioContext} [options.context]
   * @param {number} [options.volume] 0…1
   * @param {EventTarget | null} [options.gestures] where gestures of the user arrive; the document
   */
  constructor({ context = new AudioContext(), volume = 1, gestures = globalThis.document } = {}) {
    super();
    this.#context = context;
    this.#gain = context.createGain();
    this.#gain.gain.value = volume;
    this.#gain.connect(context.destination);
    context.addEventListener("statechange", () => this.#tellLock());
    for (const kind of ["pointerdown", "keydown"]) {
      gestures?.addEventListener(kind, () => this.unlock(), { once: true, capture: true });
    }
  }

  /** Whether the browser allows no sound yet. */
  get locked() {
    return this.#context.state !== "running";
  }

  /** Hz, of what is heard. */
  get sampleRate() {
    return this.#context.sampleRate;
  }

  /** 0…1. */
  get volume() {
    return this.#gain.gain.value;
  }

  set volume(volume) {
    // A jump clicks; 10 ms of approach do not.
    this.#gain.gain.setTargetAtTime(volume, this.#context.currentTime, 0.01);
  }

  /** The node through which all sound passes, for an analyser. @type {AudioNode} */
  get output() {
    return this.#gain;
  }

  /** What is heard now, null if nothing. @type {Item<any> | null} */
  get playing() {
    return this.#playing;
  }

  /** Pieces that have not ended, the one that plays included. */
  get length() {
    return this.#items.length;
  }

  /** Seconds of the piece that plays that have been heard; 0 if nothing plays. */
  get position() {
    if (!this.#playing) return 0;
    const heard = this.#context.currentTime - this.#playing.startsAt;
    return Math.min(Math.max(heard, 0), this.#playing.duration);
  }

  /** Seconds until all that can be played has been heard. */
  get ahead() {
    return Math.max(0, this.#freeAt - this.#context.currentTime);
  }

  /** Ask the browser for sound; it agrees only within a gesture of the user, or where it always does. */
  async unlock() {
    // Not awaited for ever: without a gesture some browsers leave the promise open.
    if (this.locked) await Promise.race([this.#context.resume(), new Promise((go) => setTimeout(go, 100))]);
    this.#tellLock();
    return !this.locked;
  }

  /**
   * Play a file after those that wait.
   *
   * @template Info
   * @param {Uint8Array | ArrayBuffer} audio a complete file
   * @param {Info} [info] anything that events shall carry
   * @returns {Item<Info>}
   */
  enqueue(audio, info) {
    const item = this.#add(info);
    this.#decode(item, audio);
    return item;
  }

  /**
   * Play samples after those that wait.
   *
   * @template Info
   * @param {Float32Array} samples at least one, -1…1, mono, at `sampleRate`
   * @param {Info} [info] anything that events shall carry
   * @returns {Item<Info>}
   */
  enqueueSamples(samples, info) {
    const item = this.#add(info);
    item.buffer = this.#context.createBuffer(1, samples.length, this.sampleRate);
    item.buffer.copyToChannel(samples, 0);
    this.#onDecoded(item);
    return item;
  }

  /** Drop what plays, and go on with the next. */
  skip() {
    const [first, ...rest] = this.#items;
    if (!first) return;
    for (const item of this.#items) this.#unschedule(item);
    this.#items = rest;
    this.#freeAt = 0;
    this.#finish([first], false);
  }

  /** Drop everything. */
  clear() {
    const dropped = this.#items;
    this.#items = [];
    this.#freeAt = 0;
    for (const item of dropped) this.#unschedule(item);
    if (dropped.length) this.#finish(dropped, false);
  }

  #add(info) {
    const item = { info, duration: null, buffer: null, source: null, startsAt: 0, settle: null };
    item.done = new Promise((resolve) => (item.settle = resolve));
    this.#items.push(item);
    if (this.locked) this.unlock();
    return item;
  }

  async #decode(item, audio) {
    // decodeAudioData takes the buffer away from its owner, so it gets a copy.
    const bytes = audio instanceof ArrayBuffer ? audio.slice(0) : audio.slice().buffer;
    try {
      item.buffer = await this.#context.decodeAudioData(bytes);
    } catch (error) {
      if (!this.#items.includes(item)) return;
      this.#items.splice(this.#items.indexOf(item), 1);
      this.#tell("error", { item, error });
      this.#finish([item], false);
      return;
    }
    this.#onDecoded(item);
  }

  #onDecoded(item) {
    item.duration = item.buffer.duration;
    this.#tell("decoded", { item, error: null });
    this.#schedule();
  }

  /** Give every piece its start time, up to the first that is not decoded yet. */
  #schedule() {
    for (const item of this.#items) {
      if (!item.buffer) break;
      if (item.source) continue;
      item.startsAt = Math.max(this.#freeAt, this.#soon());
      this.#freeAt = item.startsAt + item.duration;
      item.source = this.#context.createBufferSource();
      item.source.buffer = item.buffer;
      item.source.connect(this.#gain);
      item.source.onended = () => this.#onEnded(item);
      item.source.start(item.startsAt);
    }
    this.#announce();
  }

  /** A time on a sample: what starts between two samples is interpolated, which ends each piece in a click. */
  #soon() {
    const { currentTime, sampleRate } = this.#context;
    return Math.round((currentTime + LEAD_SECONDS) * sampleRate) / sampleRate;
  }

  #unschedule(item) {
    if (!item.source) return;
    item.source.onended = null;
    item.source.stop();
    item.source.disconnect();
    item.source = null;
  }

  #onEnded(item) {
    this.#items.splice(this.#items.indexOf(item), 1);
    this.#finish([item], true);
  }

  #finish(items, played) {
    for (const item of items) item.settle(played);
    if (items.includes(this.#playing)) {
      const item = this.#playing;
      this.#playing = null;
      this.#tell("end", { item, error: null });
    }
    this.#schedule();
    if (!this.#items.length) this.#tell("idle", {});
  }

  #announce() {
    const [first] = this.#items;
    if (first?.source && this.#playing !== first) {
      this.#playing = first;
      this.#tell("start", { item: first, error: null });
    }
  }

  #tellLock() {
    if (this.#wasLocked !== this.locked) {
      this.#wasLocked = this.locked;
      this.#tell("lock", { locked: this.locked });
    }
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
