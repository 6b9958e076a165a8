/** Shows one take: how far it is, its parts as they arrive and are heard, its waveform. */

import { span } from "./words.js";

const STEPS = ["waiting", "started", "progress_25", "progress_50", "progress_75", "ready"];
const STATUS_WORDS = {
  waiting: "waiting",
  started: "started",
  progress_25: "a quarter",
  progress_50: "half",
  progress_75: "three quarters",
  ready: "ready",
  error: "failed",
  timeout: "forgotten",
};
const FIRST_SPAN = 4; // seconds of the waveform at first; it doubles as it fills

export class TakeView {
  /** What the server told last: the take, or the voice whose example it is. @type {Record<string, any> | null} */
  item = null;
  /** The take; null before it is made. @type {Record<string, any> | null} */
  take = null;
  /** Events that have something to be heard, and what their sound carries in the player, to play them again. */
  heard = [];

  #element;
  #wave;
  #parts = [];
  #span = FIRST_SPAN;
  #isNew;
  #askedAt;
  #firstAfter = null;

  /**
   * @param {(id: string) => HTMLElement} element
   * @param {import("./waveform.js").Waveform} wave
   * @param {{isNew?: boolean}} [options] whether it is being made now
   */
  constructor(element, wave, { isNew = true } = {}) {
    this.#isNew = isNew;
    this.#element = element;
    this.#wave = wave;
    this.#askedAt = performance.now();
    wave.clear();
    element("parts").replaceChildren();
    element("heard").hidden = false;
    element("heard").removeAttribute("data-duration");
    element("downloads").hidden = true;
    element("replay").hidden = true;
    element("facts").textContent = "";
    this.#showStatus("waiting");
  }

  /** Seconds that have arrived. */
  get duration() {
    return this.#parts.at(-1)?.end ?? 0;
  }

  /** @param {import("../sdk/speak.js").SpeakEvent} event @returns {any} what its sound shall carry in the player */
  tell(event) {
    if (event.type === "status" || event.type === "end") {
      this.item = event.item;
      this.#showStatus(event.item.status);
      if (event.type === "end") this.#finish();
      return null;
    }
    this.#firstAfter ??= (performance.now() - this.#askedAt) / 1000;
    if (!event.chunkId) this.#begin(event.header);
    const part = this.#parts.at(-1);
    const offset = part.end - part.start;
    part.pieces.push(event.pcm);
    part.bytes += event.pcm.length;
    part.end = part.start + part.bytes / part.bytesPerSecond;
    part.length.textContent = span(part.end - part.start);
    if (event.type === "part" || part.bytes >= (event.header.dataBytes ?? Infinity)) this.#draw(part);
    const info = { part, offset };
    this.heard.push({ event, info });
    return info;
  }

  /** Mark which part is heard. @param {any} info of the player's item @param {"now" | "spoken"} state */
  mark(info, state) {
    if (info) info.part.row.className = state;
  }

  /** Show how much has been heard. @param {any} info @param {number} position seconds in the player's item */
  show(info, position) {
    if (info) this.#wave.show((info.part.start + info.offset + position) / this.#span);
  }

  /** It ended before its end. */
  giveUp() {
    this.#element("replay").hidden = !this.heard.length;
    if (!this.heard.length) this.#element("heard").hidden = true;
  }

  #begin({ sampleRate, channels, sampleBytes }) {
    const row = document.createElement("li");
    const words = ["number", "words", "length"].map((className) => Object.assign(document.createElement("span"), { className }));
    row.append(...words);
    words[0].textContent = this.#parts.length + 1;
    this.#element("parts").append(row);
    const start = this.duration;
    const [, text, length] = words;
    const bytesPerSecond = sampleRate * channels * sampleBytes;
    this.#parts.push({ row, text, length, start, end: start, bytesPerSecond, pieces: [], bytes: 0, sound: null });
  }

  #draw(part) {
    part.sound = samplesOf(part);
    if (part.end > this.#span) {
      while (part.end > this.#span) this.#span *= 2;
      this.#drawAll();
    } else {
      this.#place(part);
    }
  }

  #drawAll() {
    this.#wave.clear();
    for (const part of this.#parts.filter(({ sound }) => sound)) this.#place(part);
  }

  #place({ sound, start, end }) {
    this.#wave.add({ getChannelData: () => sound }, start / this.#span, end / this.#span);
  }

  #showStatus(status) {
    const words = this.#element("status");
    if (words.textContent !== STATUS_WORDS[status]) words.textContent = STATUS_WORDS[status] ?? status;
    if (STEPS.includes(status)) this.#element("progress").value = STEPS.indexOf(status);
    this.#element("heard").dataset.status = status;
  }

  #finish() {
    this.#span = this.duration || FIRST_SPAN;
    this.#drawAll();
    this.#element("heard").dataset.duration = this.duration;
    this.#element("replay").hidden = false;
    this.describe(this.item.take_id ? this.item : null);
  }

  /** @param {Record<string, any> | null} take that has been made; null if it is not known yet */
  describe(take) {
    this.take = take;
    this.#element("downloads").hidden = !take;
    const { audio_rate: rate, normalized_text: texts } = take?.info ?? {};
    const isWhole = this.#parts.length === 1; // as a take is that is fetched from the list
    this.#parts.forEach(({ text }, n) => (text.textContent = (isWhole ? texts?.join(" ") : texts?.[n]) ?? ""));
    const count = texts?.length ?? this.#parts.length;
    const facts = [
      span(this.duration),
      rate && `${rate / 1000} kHz`,
      count === 1 ? "one part" : `${count} parts`,
      this.#isNew && this.#firstAfter !== null && `the first sound after ${span(this.#firstAfter)}`,
    ];
    this.#element("facts").textContent = facts.filter(Boolean).join(" · ");
  }
}

/** @returns {Float32Array} the sound of a part of 16-bit samples, for the waveform */
function samplesOf({ pieces, bytes }) {
  const joined = new Uint8Array(bytes + (bytes % 2));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return Float32Array.from(new Int16Array(joined.buffer), (sample) => sample / 32768);
}
