/**
 * A WebSocket that is opened again whenever it breaks. For browsers, and for Node.js 20 (`--experimental-websocket`) and
 * later.
 *
 * @module
 */

/** There is no connection, and none is to be expected soon. */
export class NotConnected extends Error {
  name = "NotConnected";
}

/** The connection broke. A request that was under way may or may not have been served. */
export class ConnectionLost extends NotConnected {
  name = "ConnectionLost";

  /**
   * @param {number} code of the close frame (RFC 6455, 7.4); 1006 if there was none
   * @param {string} reason
   */
  constructor(code, reason) {
    super(`connection lost: ${code} ${reason}`.trimEnd());
    this.code = code;
    this.reason = reason;
  }

  /** Whether the server closed because of what this client sent, which should not be sent again as it was. */
  get blamesClient() {
    return [1002, 1003, 1007, 1008, 1009].includes(this.code);
  }
}

/**
 * When to connect again: delays double from `first` to `longest` seconds, so that a server in trouble is left alone,
 * and `jitter` shortens each by a random fraction, so that not all clients return at once.
 *
 * @typedef {object} Backoff
 * @property {number} [first] seconds before the first attempt; 1
 * @property {number} [longest] seconds, where doubling ends; 30. A connection that lasted so long starts the delays anew.
 * @property {number} [jitter] 0…1; 0.5 waits 50 to 100 % of each delay
 * @property {number} [attempts] in a row before it is given up; Infinity
 */

/**
 * @param {Backoff} backoff
 * @param {number} failures failed attempts in a row
 * @param {number} random in [0, 1)
 * @returns {number} seconds to wait
 */
export function delay({ first = 1, longest = 30, jitter = 0.5 }, failures, random) {
  return Math.min(longest, first * 2 ** failures) * (1 - jitter * random);
}

/** @typedef {"connecting" | "open" | "waiting" | "closed"} State */

/**
 * Keeps one WebSocket open from `open()` to `close()`.
 *
 * Events:
 * - `state`: a `CustomEvent` whose detail is `{state, error, delay}`: `error` says why, if something broke; `delay` is
 *   in seconds, while waiting;
 * - `message`: a `CustomEvent` whose detail is the text;
 * - `binary`: a `CustomEvent` whose detail is the `ArrayBuffer` of a binary message.
 */
export class Connection extends EventTarget {
  /** @type {State} */
  state = "closed";

  #url;
  #options;
  #socket = null;
  #timer = null;
  #failures = 0;
  #openedAt = 0;

  /**
   * @param {string | URL | (() => Promise<string | URL>)} url `ws:` or `wss:`, or what is asked for one before each
   *   attempt; it throws NotConnected if it may have one later, and any other error if not
   * @param {object} [options]
   * @param {Backoff} [options.backoff]
   * @param {(error: ConnectionLost) => boolean} [options.isFinal] whether it is not to be opened again after this
   * @param {boolean} [options.waitForServer] whether a server that is not there at first is waited for
   * @param {typeof WebSocket} [options.WebSocket]
   * @param {typeof setTimeout} [options.setTimeout]
   * @param {typeof clearTimeout} [options.clearTimeout]
   * @param {() => number} [options.now] milliseconds, monotonic
   * @param {() => number} [options.random] in [0, 1)
   */
  constructor(url, options = {}) {
    super();
    this.#url = typeof url === "function" ? url : String(url);
    this.#options = {
      backoff: {},
      isFinal: () => false,
      waitForServer: false,
      WebSocket: globalThis.WebSocket,
      setTimeout: (...given) => globalThis.setTimeout(...given),
      clearTimeout: (timer) => globalThis.clearTimeout(timer),
      now: () => performance.now(),
      random: Math.random,
      ...options,
    };
    if (!this.#options.WebSocket) {
      throw new Error("there is no WebSocket here: Node.js 20 needs --experimental-websocket");
    }
  }

  /** Start connecting; does nothing if that has been done. */
  open() {
    if (this.state === "closed") {
      this.#failures = 0;
      this.#connect(!this.#options.waitForServer);
    }
  }

  /**
   * Start connecting, and wait.
   *
   * @returns {Promise<void>} resolved when it is open for the first time
   * @throws {NotConnected | Error} it was closed before, for whatever reason
   */
  opened() {
    return new Promise((resolve, reject) => {
      const settle = ({ detail: { state, error } }) => {
        if (state !== "open" && state !== "closed") return;
        this.removeEventListener("state", settle);
        if (state === "open") resolve();
        else reject(error);
      };
      if (this.state === "open") resolve();
      else {
        this.addEventListener("state", settle);
        this.open();
      }
    });
  }

  /** Connect at once, if the next attempt is being waited for. */
  retry() {
    if (this.state === "waiting") {
      this.#options.clearTimeout(this.#timer);
      this.#connect(false);
    }
  }

  /** Close for good; `open()` starts anew. */
  close() {
    if (this.state === "closed") return;
    this.#options.clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#become("closed", { error: new NotConnected("the client is closed") });
  }

  /**
   * Send a message; nothing happens while there is no connection.
   *
   * @param {string | ArrayBuffer | ArrayBufferView} message
   */
  send(message) {
    if (this.state === "open") this.#socket.send(message);
  }

  /** Bytes that were sent and have not left this machine. */
  get bufferedAmount() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  #connect(isOnly) {
    if (typeof this.#url === "string") this.#open(this.#url, isOnly);
    else this.#askUrl(isOnly);
  }

  async #askUrl(isOnly) {
    const asking = (this.#socket = { close() {} });
    this.#become("connecting");
    try {
      const url = await this.#url();
      if (asking === this.#socket) this.#open(String(url), isOnly);
    } catch (error) {
      if (asking === this.#socket) this.#onFailure(error, isOnly || !(error instanceof NotConnected));
    }
  }

  #open(url, isOnly) {
    const socket = (this.#socket = new this.#options.WebSocket(url));
    socket.binaryType = "arraybuffer";
    if (this.state !== "connecting") this.#become("connecting");
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      isOnly = false;
      this.#openedAt = this.#options.now();
      this.#become("open");
    });
    socket.addEventListener("message", ({ data }) => {
      if (socket !== this.#socket) return;
      const kind = typeof data === "string" ? "message" : "binary";
      this.dispatchEvent(new CustomEvent(kind, { detail: data }));
    });
    socket.addEventListener("close", (event) => {
      if (socket === this.#socket) this.#onClose(event, isOnly);
    });
    // What an error event could say, the close event that follows says; only Node.js 20 has none after a refusal.
    socket.addEventListener("error", () => {
      if (socket === this.#socket && this.state === "connecting") this.#onClose({ code: 1006, reason: "" }, isOnly);
    });
  }

  #onClose({ code, reason }, isOnly) {
    const wasOpen = this.state === "open";
    const { backoff, now } = this.#options;
    if (wasOpen && now() - this.#openedAt >= (backoff.longest ?? 30) * 1000) this.#failures = 0;
    const error = wasOpen ? new ConnectionLost(code, reason) : new NotConnected("the server cannot be reached");
    this.#onFailure(error, wasOpen ? this.#options.isFinal(error) : isOnly);
  }

  #onFailure(error, isFinal) {
    const { backoff, random } = this.#options;
    this.#socket = null;
    if (isFinal || this.#failures >= (backoff.attempts ?? Infinity)) {
      this.#become("closed", { error });
      return;
    }
    const seconds = delay(backoff, this.#failures, random());
    this.#failures += 1;
    this.#timer = this.#options.setTimeout(() => this.#connect(false), seconds * 1000);
    this.#become("waiting", { error, delay: seconds });
  }

  #become(state, { error = null, delay = null } = {}) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, error, delay } }));
  }
}
