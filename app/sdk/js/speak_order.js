/**
 * Parts and chunks in their order, whatever order they arrived in.
 *
 * @module
 */

/**
 * Restores the order of one request's audio.
 *
 * Parts are numbered from 0; without chunks, the first empty part ends the whole. Chunks are numbered from 0 in each part;
 * an empty one ends its part, an empty chunk 0 ends the whole. What comes twice, or after the end, is dropped.
 */
export class Order {
  /** Whether the end of the whole has been reached. */
  isComplete = false;

  #early = new Map();
  #part = 0;
  #chunk = 0;

  /**
   * @template {{partId: number, chunkId: number | null, audio: Uint8Array}} Frame
   * @param {Frame} frame that arrived
   * @returns {Frame[]} those that can be given on now, none of them empty
   */
  put(frame) {
    const { partId, chunkId } = frame;
    const isOld = partId < this.#part || (partId === this.#part && (chunkId ?? 0) < this.#chunk);
    if (this.isComplete || isOld) return [];
    this.#early.set(`${partId}/${chunkId ?? 0}`, frame);
    const ready = [];
    for (let next = this.#next(); next; next = this.#next()) {
      this.#advance(next);
      if (next.audio.length) ready.push(next);
    }
    return ready;
  }

  #next() {
    const place = `${this.#part}/${this.#chunk}`;
    const frame = this.#early.get(place);
    this.#early.delete(place);
    return frame;
  }

  #advance({ chunkId, audio }) {
    if (!audio.length && this.#chunk === 0) {
      this.isComplete = true;
      this.#early.clear();
    } else if (chunkId !== null && audio.length) {
      this.#chunk += 1;
    } else {
      this.#part += 1;
      this.#chunk = 0;
    }
  }
}
