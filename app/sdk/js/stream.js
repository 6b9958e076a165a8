/**
 * Live recognition over `/ws/stream/{client_id}`: sound goes out, and what plays comes back. Without a build step.
 *
 *     import { StreamClient } from "/sdk/stream.js";
 *
 *     const client = new StreamClient("ws://localhost:8000", apiKey);
 *     client.onMatch = ({ matches: [best] }) => console.log(best.title, best.start_time);
 *     await client.startMicrophone(); // in a handler of a click
 *     await client.play(file); // or a file, as fast as it is heard
 *
 * In Node.js it sends samples: `client.play(samples)`, `client.send(samples)`.
 *
 * @module
 */

import { Connection, ConnectionLost, NotConnected } from "./connection.js";
import { Framer } from "./framer.js";
import { levelOf } from "./level.js";
import { Microphone, NoMicrophone } from "./microphone.js";
import { Pace } from "./pace.js";
import { decode } from "./sound_file.js";

export { ConnectionLost, NoMicrophone, NotConnected };

const FRAME_SECONDS = 0.1; // 600 messages a minute, of the 1000 that servers take
const LINGER_SECONDS = 1; // two hops, after which all has been told
const MAX_BUFFERED_SECONDS = 2; // what played before does not help to tell what plays now

const IDLE = 1000; // the code with which the server ends a stream that sends no sound
const REPLACED = 4009; // by another connection of the same client

/**
 * A track that is heard; times are in seconds, in the track.
 *
 * @typedef {object} Match
 * @property {string} video_id
 * @property {string | null} title
 * @property {string | null} url
 * @property {string | null} thumbnail_url
 * @property {number} start_time of what was heard of it
 * @property {number} end_time
 * @property {number} similarity_score of what was heard to that stretch of the track, 0…1
 * @property {number} confidence that it is this track, 0…1
 */

/**
 * Music that the server knows plays; told again while it goes on. `matches` has the likeliest first, `timestamp` is in
 * seconds since 1970; of `stats`, sizes are in samples, and all but the buffer's counts since the connection was opened.
 *
 * @typedef {{matches: Match[], timestamp: number, stats: {buffer_size: number, buffer_capacity: number,
 *   samples_processed: number, total_matches: number, duration_seconds: number}}} Matched
 */

/**
 * Sends sound, and hears from the server what plays.
 *
 * A connection that breaks is opened again; the server then begins anew. It is not opened again where that could only
 * repeat what ended it: after being replaced by another client of the same id, after breaking a limit. After a pause
 * in which the server hung up, the next sound opens it.
 *
 * Events, all of them `CustomEvent`s, of which three call a function too, if there is one:
 * - `match`, `onMatch`: detail is a `Matched`;
 * - `status`, `onStatus`: detail is `{message, event}`; `event` is `lost` when the music has stopped;
 * - `error`, `onError`: detail is `{message, detail}`: the server cannot do something;
 * - `level`: detail is `{rms, peak}` of a moment of sound, 0…1;
 * - `progress`: detail is `{position, duration}` of what `play` plays, in seconds;
 * - `end`: detail is `{error}`: the microphone has ended by itself, or the connection has for good;
 * - `state`: see `Connection`.
 */
export class StreamClient extends EventTarget {
  /** @type {((matched: Matched) => any) | null} */
  onMatch = null;
  /** @type {((status: {message: string, event: string | null}) => any) | null} */
  onStatus = null;
  /** @type {((error: {message: string, detail: string | null}) => any) | null} */
  onError = null;

  #connection;
  #sounding = null; // what is sent now: `{stop, fail}`
  #frameLength;
  #now;
  #wait;
  #microphone;

  /**
   * @param {string | URL} [apiUrl] of the server, with the prefix it may have; the one that this module came from
   * @param {string | null} [apiKey] API key or access token, sent in the query, since browsers cannot send headers
   * @param {string | null} [clientId] who this is; the server keeps one connection for each. One is made up without it
   * @param {number} [sampleRate] Hz, of what is sent; 8000…48000
   * @param {object} [options] those of `Connection`, and
   * @param {(sampleRate: number, options?: object) => Promise<Microphone>} [options.openMicrophone]
   */
  constructor(apiUrl = defaultUrl(), apiKey = null, clientId = null, sampleRate = 22050, options = {}) {
    super();
    const { openMicrophone = Microphone.open, ...rest } = options;
    this.clientId = clientId || randomId();
    this.sampleRate = sampleRate;
    this.#frameLength = Math.round(FRAME_SECONDS * sampleRate);
    this.#microphone = openMicrophone;
    this.#now = options.now ?? (() => performance.now());
    const setTimer = options.setTimeout ?? ((...given) => globalThis.setTimeout(...given));
    this.#wait = (milliseconds) => new Promise((resolve) => setTimer(resolve, milliseconds));
    const url = streamUrl(apiUrl, this.clientId, sampleRate, apiKey);
    this.#connection = new Connection(url, { isFinal, ...rest });
    this.#connection.addEventListener("state", ({ detail }) => this.#onState(detail));
    this.#connection.addEventListener("message", ({ detail }) => this.#receive(detail));
  }

  /** @returns {import("./connection.js").State} */
  get state() {
    return this.#connection.state;
  }

  /** Whether something is sent, or about to be. */
  get isSounding() {
    return this.#sounding !== null;
  }

  /**
   * Connect, and keep connected until `close()`; `startMicrophone` and `play` do it too.
   *
   * @returns {Promise<void>} resolved when the connection is open
   * @throws {NotConnected} the server is not there (unless `waitForServer`), or the client was closed meanwhile
   */
  connect() {
    return this.#connection.opened();
  }

  /** Connect at once, if the next attempt is being waited for. */
  retry() {
    this.#connection.retry();
  }

  /** End the sound and the connection. */
  close() {
    this.stop();
    this.#connection.close();
  }

  /** End the sound; the connection stays. */
  stop() {
    const sounding = this.#sounding;
    this.#sounding = null;
    sounding?.stop();
  }

  /**
   * Send samples at once; whoever calls it keeps to the pace at which they are heard.
   *
   * @param {Float32Array} samples -1…1, of one channel at `sampleRate`
   * @returns {boolean} false if they were dropped, as there is no connection or the network is too slow
   */
  send(samples) {
    if (this.state !== "open" || this.#isBehind) return false;
    this.#connection.send(samples);
    return true;
  }

  /**
   * Send what a microphone hears, until `stop()`. To be called from a handler of a gesture.
   *
   * @param {object} [options] those of `Microphone.open`
   * @returns {Promise<void>} resolved when it is heard
   * @throws {NoMicrophone | NotConnected}
   */
  async startMicrophone(options) {
    const mine = this.#begin();
    let failure = null;
    mine.fail = (error) => (failure = error);
    try {
      await this.connect();
      const microphone = await this.#microphone(this.sampleRate, options);
      if (mine !== this.#sounding) {
        microphone.close();
        if (failure) throw failure; // the connection has ended meanwhile
        return;
      }
      mine.stop = () => microphone.close();
      mine.fail = (error) => this.#tell("end", { error });
      const framer = new Framer(this.#frameLength);
      microphone.addEventListener("samples", ({ detail }) => {
        if (mine !== this.#sounding) return;
        this.#tellLevel(detail);
        for (const frame of framer.push(detail)) this.send(frame);
      });
      microphone.addEventListener("end", ({ detail }) => this.#fail(mine, detail.error));
    } catch (error) {
      if (mine === this.#sounding) this.stop();
      throw error;
    }
  }

  /**
   * Send a file or samples as fast as they are heard, to their end or until `stop()`.
   *
   * @param {Blob | ArrayBuffer | Uint8Array | Float32Array} sound a file of any kind that the browser plays; or samples,
   *   -1…1, of one channel at `sampleRate`
   * @returns {Promise<boolean>} whether it was played to its end; resolved when all of it has been told of
   * @throws {NotConnected | DOMException} `EncodingError` if the browser does not know its kind
   */
  async play(sound) {
    const mine = this.#begin();
    let failure = null;
    mine.fail = (error) => (failure = error);
    try {
      const samples = sound instanceof Float32Array ? sound : await decode(sound, this.sampleRate);
      await this.connect();
      await this.#playSamples(samples, mine);
      if (mine === this.#sounding) await this.#wait(LINGER_SECONDS * 1000);
      if (failure) throw failure;
      return mine === this.#sounding;
    } finally {
      if (mine === this.#sounding) this.stop();
    }
  }

  async #playSamples(samples, mine) {
    const pace = new Pace(this.#now, this.#wait);
    const duration = samples.length / this.sampleRate;
    for (let start = 0; start < samples.length; start += this.#frameLength) {
      const frame = samples.subarray(start, start + this.#frameLength);
      await pace.before(frame.length / this.sampleRate);
      while (mine === this.#sounding && !this.send(frame)) await this.#ready();
      if (mine !== this.#sounding) return;
      this.#tellLevel(frame);
      this.#tell("progress", { position: (start + frame.length) / this.sampleRate, duration });
    }
  }

  /** Wait until sound may go out again, or never. */
  async #ready() {
    if (this.state === "open") await this.#wait(FRAME_SECONDS * 1000);
    else await this.connect().catch(() => {}); // which its state has told
  }

  get #isBehind() {
    const bytesPerSecond = this.sampleRate * Float32Array.BYTES_PER_ELEMENT;
    return this.#connection.bufferedAmount > MAX_BUFFERED_SECONDS * bytesPerSecond;
  }

  #begin() {
    this.stop();
    return (this.#sounding = { stop() {}, fail() {} });
  }

  #fail(sounding, error) {
    if (sounding !== this.#sounding) return;
    this.stop();
    sounding.fail(error);
  }

  #onState(detail) {
    this.#tell("state", detail);
    if (detail.state === "closed" && this.#sounding) this.#fail(this.#sounding, detail.error);
  }

  #receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      message = null;
    }
    switch (message?.type) {
      case "match":
        return this.#tell("match", message.data, this.onMatch);
      case "status":
        return this.#tell("status", { message: message.message, event: message.event ?? null }, this.onStatus);
      case "error":
        return this.#tell("error", { message: message.message, detail: message.detail ?? null }, this.onError);
      default:
        console.warn("the server sent what is not known here:", text);
    }
  }

  #tellLevel(samples) {
    this.#tell("level", levelOf(samples));
  }

  #tell(type, detail, callback = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
    callback?.(detail);
  }
}

/** The name of the client in the document of this protocol. */
export { StreamClient as SoundHashClient };

const isFinal = (error) => error.blamesClient || [IDLE, REPLACED].includes(error.code);

/** The server beside whose `/sdk/` this module came. */
function defaultUrl() {
  const url = new URL("..", import.meta.url);
  return url.protocol.startsWith("http") ? url : "ws://localhost:8000";
}

function streamUrl(apiUrl, clientId, sampleRate, token) {
  const url = new URL(apiUrl);
  url.protocol = url.protocol.replace("http", "ws");
  url.pathname = `${url.pathname.replace(/\/$/, "")}/ws/stream/${encodeURIComponent(clientId)}`;
  url.searchParams.set("sample_rate", sampleRate); // servers that know neither this nor the next pass over them
  url.searchParams.set("events", "1");
  if (token) url.searchParams.set("token", token);
  return url;
}

function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
