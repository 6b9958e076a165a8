/**
 * How fast sound goes out that could go out at once: as fast as it is heard.
 *
 * @module
 */

const MAX_LAG_SECONDS = 0.5;

/**
 * Waits before each frame of sound until its time has come. After a delay, as of the network, frames follow each other
 * faster until what is late has been caught up; what is later than half a second stays late, since servers limit what
 * one client may send in a second.
 */
export class Pace {
  #now;
  #wait;
  #due = null;

  /** @param {() => number} now milliseconds, monotonic @param {(milliseconds: number) => Promise<void>} wait */
  constructor(now, wait) {
    this.#now = now;
    this.#wait = wait;
  }

  /** Wait for the time of a frame; the first one's is now. @param {number} seconds that the frame lasts */
  async before(seconds) {
    const now = this.#now();
    const due = this.#due === null ? now : Math.max(this.#due, now - MAX_LAG_SECONDS * 1000);
    if (due > now) await this.#wait(due - now);
    this.#due = due + seconds * 1000;
  }
}
