/**
 * Shows a streamed portrait while it is drawn. For browsers.
 *
 * @module
 */

const KEPT_SECONDS = 10; // of what has been seen, where the browser has no room for all

/** Where there is no MediaSource, or it does not know the codecs, the whole file is shown when it is there. */
export class PortraitPlayer {
  #video;
  #MediaSource;
  #url = null;
  #film = null;
  #playing = null; // what is being played

  /**
   * @param {HTMLVideoElement} video
   * @param {object} [options]
   * @param {typeof MediaSource | null} [options.MediaSource]
   */
  constructor(video, { MediaSource = globalThis.ManagedMediaSource ?? globalThis.MediaSource ?? null } = {}) {
    this.#video = video;
    this.#MediaSource = MediaSource;
  }

  /** @param {string} codecs of an opening @returns {boolean} whether it can be seen while it is drawn */
  canStream(codecs) {
    return this.#MediaSource?.isTypeSupported(mime(codecs)) ?? false;
  }

  /**
   * Play what `Portraits.stream` gives; what was played before ends. To be called from a handler of a gesture, unless
   * the video is muted, else browsers may not let it play: its `paused` then says so, and `replay` helps.
   *
   * @param {AsyncIterable<import("./portrait.js").Opening | import("./portrait.js").Fragment |
   *   import("./portrait.js").Portrait>} events
   * @returns {Promise<import("./portrait.js").Portrait | null>} resolved when all of it has come; null if something else
   *   was played meanwhile, or `stop()` was called
   * @throws what `events` throws; and an `Error` if the browser cannot play it
   */
  async play(events) {
    this.stop();
    const mine = (this.#playing = {});
    this.#begin(); // with nothing, but within the gesture: some browsers let what was begun so go on later, and only that
    for await (const event of events) {
      if (mine !== this.#playing) return null;
      await this.#take(event, mine);
      if (event.type === "portrait") return mine === this.#playing ? event : null;
    }
    return null;
  }

  /** Play a file. @param {Blob} video */
  show(video) {
    this.stop();
    this.#playing = {};
    this.#showFile(video);
  }

  /** Play it again from its beginning. */
  replay() {
    this.#video.currentTime = 0;
    this.#begin();
  }

  /** End it, and show nothing. */
  stop() {
    this.#playing = null;
    this.#film?.abandon();
    this.#film = null;
    if (this.#url === null) return;
    URL.revokeObjectURL(this.#url);
    this.#url = null;
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  async #take(event, mine) {
    if (event.type === "opening" && this.canStream(event.codecs)) {
      const film = (this.#film = new Film(this.#video, new this.#MediaSource()));
      this.#show(film.source);
      await film.open(mime(event.codecs));
      if (mine === this.#playing) this.#begin();
    } else if (event.type === "fragment") {
      await this.#film?.append(event.data);
    } else if (event.type === "portrait") {
      if (this.#film === null) this.#showFile(event.video);
      else this.#film.end(() => mine === this.#playing && this.#showFile(event.video, false));
    }
  }

  #showFile(video, isPlayed = true) {
    this.#film = null;
    this.#show(video);
    if (isPlayed) this.#begin();
  }

  #show(content) {
    if (this.#url !== null) URL.revokeObjectURL(this.#url);
    this.#url = URL.createObjectURL(content);
    this.#video.disableRemotePlayback = true; // without which a ManagedMediaSource does not open
    this.#video.src = this.#url;
  }

  #begin() {
    this.#video.play().catch(() => {}); // no gesture, or another source meanwhile: its `paused` says so
  }
}

/** A video that is appended to. */
class Film {
  #video;
  #buffer = null;
  #isWhole = true;
  #over = new AbortController();

  constructor(video, source) {
    this.#video = video;
    this.source = source;
  }

  async open(type) {
    await this.#until(this.source, "sourceopen");
    if (!this.#isOver) this.#buffer = this.source.addSourceBuffer(type);
  }

  /** @param {Uint8Array} data */
  async append(data) {
    while (!this.#isOver) {
      try {
        this.#buffer.appendBuffer(data);
        return await this.#until(this.#buffer, "updateend");
      } catch (error) {
        if (error.name === "InvalidStateError" && this.#video.error) throw new Error(this.#video.error.message);
        if (error.name !== "QuotaExceededError") throw error;
        await this.#makeRoom();
      }
    }
  }

  /** @param {() => void} onSeen called at the end of a video of which the beginning is not there any more */
  end(onSeen) {
    if (this.#isOver) return;
    if (this.source.readyState === "open") this.source.endOfStream();
    if (!this.#isWhole) this.#video.addEventListener("ended", onSeen, { once: true, signal: this.#over.signal });
  }

  abandon() {
    this.#over.abort();
  }

  get #isOver() {
    return this.#over.signal.aborted;
  }

  /** Drop what has been seen; if that is nothing yet, wait until it is something. */
  async #makeRoom() {
    const { buffered } = this.#buffer;
    const start = buffered.length ? buffered.start(0) : 0;
    const end = this.#video.currentTime - KEPT_SECONDS;
    if (end <= start) return this.#until(this.#video, "timeupdate");
    this.#isWhole = false;
    this.#buffer.remove(start, end);
    await this.#until(this.#buffer, "updateend");
  }

  /** Wait for an event, or the end. */
  #until(target, type) {
    return new Promise((resolve) => {
      const { signal } = this.#over;
      if (signal.aborted) resolve();
      target.addEventListener(type, () => resolve(), { once: true, signal });
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }
}

const mime = (codecs) => `video/mp4; codecs="${codecs}"`;
