/** Shows how loud it is, from -60 dB to full scale; the peak stays a moment. */

const QUIETEST = -60; // dB
const LOUD = -1; // dB, from which on it may be cut off
const FALL_PER_SECOND = 20; // dB, of the peak
const EVERY_SECONDS = 0.5; // for those that have it read out

export class LevelMeter {
  #element;
  #peak = QUIETEST;
  #shownAt = 0;
  #toldAt = 0;

  /** @param {HTMLElement} element of the role `meter` */
  constructor(element) {
    this.#element = element;
  }

  /** @param {{rms: number, peak: number}} level 0…1 */
  show({ rms, peak }) {
    const now = performance.now() / 1000;
    const fallen = this.#peak - FALL_PER_SECOND * (now - this.#shownAt);
    this.#peak = Math.max(decibels(peak), fallen);
    this.#shownAt = now;
    this.#place(".bar-now", decibels(rms));
    this.#place(".bar-peak", this.#peak);
    this.#element.toggleAttribute("data-loud", decibels(peak) >= LOUD);
    if (now - this.#toldAt >= EVERY_SECONDS) this.#tell(decibels(rms), now);
  }

  clear() {
    this.#shownAt = this.#toldAt = -Infinity;
    this.show({ rms: 0, peak: 0 });
  }

  #place(selector, level) {
    this.#element.querySelector(selector).style.setProperty("--at", String(1 - level / QUIETEST));
  }

  #tell(level, now) {
    this.#toldAt = now;
    this.#element.ariaValueNow = level.toFixed(0);
    this.#element.ariaValueText = level <= QUIETEST ? "silence" : `${level.toFixed(0)} decibels`;
  }
}

const decibels = (amplitude) => Math.max(QUIETEST, 20 * Math.log10(amplitude || 1e-9));
