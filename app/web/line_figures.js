/** Counts what goes over the line, and shows it now and then: a hundred frames a second are too many to be read. */

import { span } from "./words.js";

const EVERY_MILLISECONDS = 400;

export class LineFigures {
  #element;
  #counts = { sent: 0, heard: 0, dropped: 0 };
  #trips = []; // seconds, of those since they were shown
  #timer = null;

  /** @param {(id: string) => HTMLElement} element */
  constructor(element) {
    this.#element = element;
  }

  /** Begin anew. @param {number} sampleRate Hz */
  begin(sampleRate) {
    this.#counts = { sent: 0, heard: 0, dropped: 0 };
    this.#trips = [];
    this.#element("rate").textContent = `${sampleRate / 1000} kHz`;
    this.#element("roundtrip").textContent = "–";
    this.#show();
  }

  /** @param {"sent" | "heard" | "dropped"} what */
  count(what) {
    this.#counts[what] += 1;
    this.#showSoon();
  }

  /** @param {number} seconds that a frame was on its way, there and back */
  trip(seconds) {
    this.#trips.push(seconds);
    this.#showSoon();
  }

  #showSoon() {
    this.#timer ??= setTimeout(() => this.#show(), EVERY_MILLISECONDS);
  }

  #show() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const { sent, heard, dropped } = this.#counts;
    this.#element("frames-sent").textContent = (sent - dropped).toLocaleString("en");
    this.#element("frames-heard").textContent = heard.toLocaleString("en");
    this.#element("dropped").textContent = dropped.toLocaleString("en");
    if (!this.#trips.length) return;
    const middle = this.#trips.sort((a, b) => a - b)[Math.floor(this.#trips.length / 2)];
    this.#element("roundtrip").textContent = span(middle);
    this.#trips = [];
  }
}
