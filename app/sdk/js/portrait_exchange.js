/**
 * Portraits that are asked for over one connection, one after another, since that is what a server takes.
 *
 * A portrait that nobody waits for any more is cancelled. Until the server has said so, what still comes is passed over:
 * messages of this protocol do not say to what they belong. A ping behind the `cancel` tells when the server has read it.
 *
 * @module
 */

const ENDS = ["cancelled", "info", "error", "result"]; // with which the server ends what was cancelled

/** One portrait, and what has come of it. */
export class Turn {
  isUnderWay = false;

  #exchange;
  #signal;
  #leave;
  #arrived = [];
  #reader = null;
  #onAbort = () => this.fail(this.#signal.reason);

  constructor(exchange, signal, leave) {
    this.#exchange = exchange;
    this.#signal = signal;
    this.#leave = leave;
    signal?.addEventListener("abort", this.#onAbort);
  }

  /**
   * Send what is asked, over the next connection if there is none now.
   *
   * @param {string} message
   * @throws {import("./connection.js").NotConnected} or the reason of an aborted signal
   */
  ask(message) {
    return this.#exchange.send(this, message, this.#signal);
  }

  /**
   * Wait for the next message of the server.
   *
   * @returns {Promise<Record<string, any> | ArrayBuffer>}
   * @throws {import("./connection.js").NotConnected} or the reason of an aborted signal
   */
  next() {
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      this.#deliver();
    });
  }

  /** @param {Record<string, any> | ArrayBuffer} message to be read */
  take(message) {
    this.#arrived.push({ message });
    this.#deliver();
  }

  /** @param {any} error that ends it, before anything else is read */
  fail(error) {
    this.#arrived = [{ error }];
    this.#deliver();
  }

  /** Let the next have its turn, and cancel this one on the server if it has not ended. */
  end() {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#exchange.end(this);
    this.#leave();
  }

  #deliver() {
    if (!this.#reader || !this.#arrived.length) return;
    const { message, error } = this.#arrived.shift();
    const { resolve, reject } = this.#reader;
    this.#reader = null;
    if (message) resolve(message);
    else reject(error);
  }
}

/** Who may ask over a `Connection`, and what is answered. */
export class Exchange {
  #connection;
  #line = Promise.resolve(); // resolved when those who wait have left
  #turn = null;
  #owed = new Set(); // by the server, of a portrait that was cancelled
  #settled = Promise.resolve();
  #settle = () => {};

  /** @param {import("./connection.js").Connection} connection */
  constructor(connection) {
    this.#connection = connection;
    connection.addEventListener("state", ({ detail }) => this.#onState(detail));
    connection.addEventListener("message", ({ detail }) => this.#onMessage(detail));
    connection.addEventListener("binary", ({ detail }) => this.#owed.size || this.#current?.take(detail));
  }

  /**
   * Wait until no other portrait is under way.
   *
   * @param {AbortSignal} [signal]
   * @returns {Promise<Turn>} to be ended
   */
  async begin(signal) {
    signal?.throwIfAborted();
    const before = this.#line;
    let leave;
    const left = new Promise((resolve) => (leave = resolve));
    this.#line = before.then(() => left);
    try {
      await unlessAborted(before, signal);
      await unlessAborted(this.#settled, signal);
    } catch (error) {
      leave();
      throw error;
    }
    return (this.#turn = new Turn(this, signal, leave));
  }

  /** @param {Turn} turn @param {string} message @param {AbortSignal} [signal] */
  async send(turn, message, signal) {
    await unlessAborted(this.#connection.opened(), signal);
    turn.isUnderWay = true;
    this.#connection.send(message);
  }

  /** @param {Turn} turn that is over */
  end(turn) {
    this.#turn = null;
    if (turn.isUnderWay && this.#connection.state === "open") this.#cancel();
  }

  get #current() {
    return this.#turn?.isUnderWay ? this.#turn : null;
  }

  #cancel() {
    this.#owed = new Set(["end", "pong"]);
    this.#settled = new Promise((resolve) => (this.#settle = resolve));
    for (const type of ["cancel", "ping"]) this.#connection.send(JSON.stringify({ type }));
  }

  #onState({ state, error }) {
    if (state === "open" || state === "connecting") return;
    this.#owed.clear();
    this.#settle();
    const turn = this.#current;
    if (!turn) return;
    turn.isUnderWay = false;
    turn.fail(error);
  }

  #onMessage(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      console.warn("the server sent something that is no JSON:", text.slice(0, 200));
      return;
    }
    if (!this.#owed.size) this.#current?.take(message);
    else if (this.#owed.delete(ENDS.includes(message.type) ? "end" : message.type) && !this.#owed.size) this.#settle();
  }
}

/** @template T @param {Promise<T>} waited @param {AbortSignal} [signal] @returns {Promise<T>} */
function unlessAborted(waited, signal) {
  if (!signal) return waited;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    waited.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
