/**
 * Requests under way over one connection, matched to their replies by id.
 *
 * @module
 */

import { ConnectionLost, NotConnected } from "./connection.js";

/** The server answered with an error: `code` is the machine's name of it, `details` depend on it. */
export class RequestFailed extends Error {
  name = "RequestFailed";

  /**
   * @param {string} code such as `BACKEND_UNAVAILABLE`
   * @param {string} message for people
   * @param {Record<string, any>} details
   */
  constructor(code, message, details = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** @typedef {{type: string, isLast: boolean, data: Record<string, any>}} Reply */

/** One request that waits for replies. What has arrived and is not read is kept, without bound. */
export class Call {
  isSent = false;
  hasBegun = false;

  #calls;
  #arrived = [];
  #readers = [];
  #signal;
  #onAbort = () => {
    this.#calls.end(this);
    this.fail(this.#signal.reason);
  };

  constructor(calls, id, message, signal) {
    this.id = id;
    this.message = message;
    this.#calls = calls;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
  }

  /**
   * Wait for the next reply.
   *
   * @returns {Promise<Reply>}
   * @throws {RequestFailed | NotConnected} or the reason of an aborted signal
   */
  next() {
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#deliver();
    });
  }

  /** @param {Reply} reply to be read */
  take(reply) {
    this.hasBegun = true;
    this.#arrived.push({ reply });
    this.#deliver();
  }

  /** @param {any} error that ends it */
  fail(error) {
    this.#arrived.push({ error });
    this.#deliver();
  }

  /** Cancel it on the server, if its last reply has not come. */
  end() {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#calls.end(this);
  }

  #deliver() {
    while (this.#arrived.length && this.#readers.length) {
      const { reply, error } = this.#arrived.shift();
      const { resolve, reject } = this.#readers.shift();
      if (reply) resolve(reply);
      else reject(error);
    }
  }
}

/** All requests under way over a `Connection`. */
export class Calls {
  #connection;
  #resend;
  #underWay = new Map();
  #lastId = 0;

  /**
   * @param {import("./connection.js").Connection} connection
   * @param {object} [options]
   * @param {boolean} [options.resend] whether a request that waits for its first reply when the connection breaks is sent
   *   again over the next one, instead of failing
   */
  constructor(connection, { resend = false } = {}) {
    this.#connection = connection;
    this.#resend = resend;
    connection.addEventListener("state", ({ detail }) => this.#onState(detail));
    connection.addEventListener("message", ({ detail }) => this.#onMessage(detail));
  }

  /** How many requests have not ended. */
  get size() {
    return this.#underWay.size;
  }

  /**
   * Send a request, now or as soon as there is a connection.
   *
   * @param {string} type
   * @param {Record<string, any> | undefined} data fields that are null or undefined are left out
   * @param {{id?: string, signal?: AbortSignal}} [options]
   * @returns {Call} to be ended when no more replies are wanted
   */
  begin(type, data, { id = this.#nextId(), signal } = {}) {
    signal?.throwIfAborted();
    if (this.#connection.state === "closed") throw new NotConnected("the client is not connected");
    if (this.#underWay.has(id)) throw new Error(`request id '${id}' is in use by a request that has not ended`);
    const given = data && Object.fromEntries(Object.entries(data).filter(([, value]) => value != null));
    const call = new Call(this, id, JSON.stringify({ id, type, data: given }), signal);
    this.#underWay.set(id, call);
    if (this.#connection.state === "open") this.#send(call);
    return call;
  }

  /** @param {Call} call whose replies are wanted no more */
  end(call) {
    if (this.#underWay.get(call.id) !== call) return;
    this.#underWay.delete(call.id);
    if (call.isSent) this.#post({ id: this.#nextId(), type: "cancel", data: { request_id: call.id } });
  }

  #onState({ state, error }) {
    if (state === "open") {
      for (const call of this.#underWay.values()) this.#send(call);
    } else if (state !== "connecting") {
      for (const call of [...this.#underWay.values()]) {
        if (state === "closed" || (call.isSent && !this.#mayResend(call, error))) {
          this.#underWay.delete(call.id);
          call.fail(error);
        }
      }
    }
  }

  #mayResend(call, error) {
    return this.#resend && !call.hasBegun && !(error instanceof ConnectionLost && error.blamesClient);
  }

  #onMessage(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      console.warn("the server sent something that is no JSON:", text.slice(0, 200));
      return;
    }
    if (message?.type === "heartbeat") {
      this.#post({ type: "heartbeat_ack", timestamp: message.timestamp });
      return;
    }
    // No call: it was given up while its answer was on the way.
    const call = this.#underWay.get(message?.id);
    if (!call) return;
    const { type, status, data, error } = message;
    const isLast = status !== "processing";
    if (isLast) this.#underWay.delete(call.id);
    if (type === "error") call.fail(new RequestFailed(error?.code, error?.message, error?.details));
    else if (data) call.take({ type, isLast, data });
    else call.fail(new Error("a reply of the server lacks its data"));
  }

  #send(call) {
    call.isSent = true;
    this.#connection.send(call.message);
  }

  #post(message) {
    this.#connection.send(JSON.stringify(message));
  }

  #nextId() {
    this.#lastId += 1;
    return `js-${this.#lastId}`;
  }
}
