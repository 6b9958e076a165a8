/**
 * Live speech over `/ws`, in the browser and in Node.js, without a build step.
 *
 *     import { DanmuClient, Player } from "/sdk/danmu.js";
 *
 *     const client = new DanmuClient();
 *     const player = new Player();
 *     await client.connect();
 *     const speech = await client.speak("你好，欢迎来到直播间！");
 *     player.enqueue(speech.audio);
 *     for await (const chunk of client.stream(longText)) player.enqueue(chunk.audio);
 *
 * @module
 */

import { decodeBase64 } from "./base64.js";
import { Calls, RequestFailed } from "./calls.js";
import { Connection, ConnectionLost, NotConnected } from "./connection.js";
import { Player } from "./player.js";

export { ConnectionLost, NotConnected, Player, RequestFailed };

/** Media types of the formats that the server sends. */
export const CONTENT_TYPES = {
  wav: "audio/wav",
  mp3: "audio/mpeg",
  ogg: "audio/ogg",
  flac: "audio/flac",
  aac: "audio/aac",
};

/**
 * What is true of a piece of audio.
 *
 * @typedef {object} Metadata
 * @property {string} backend which spoke
 * @property {string} voice
 * @property {number} duration seconds
 * @property {number} sample_rate Hz
 * @property {string} format
 * @property {number} size_bytes
 * @property {string | null} [fallback_from] the backend that should have spoken and could not
 */

/**
 * When a word, as it is spoken, or a phoneme, in IPA, is heard: seconds from the beginning of the audio it came with.
 *
 * @typedef {{text: string, start: number, end: number}} Timed
 */

/**
 * Times in order; null if `timestamps` was not asked for, or the voice does not know them.
 *
 * @typedef {{words: Timed[] | null, phonemes: Timed[] | null}} Times
 */

/**
 * A spoken text; `audio` is a complete file in `metadata.format`.
 *
 * @typedef {{audio: Uint8Array, metadata: Metadata, cached: boolean} & Times} Speech
 */

/**
 * A spoken piece of a text: `text` is chunk `index` of `total`, and all of them joined are the text. Times count from the
 * beginning of the chunk.
 *
 * @typedef {{index: number, total: number, text: string, audio: Uint8Array, metadata: Metadata} & Times} Chunk
 */

/**
 * @typedef {object} Choices
 * @property {string} [voice] id of a voice; without it the server chooses one for the language of the text
 * @property {string} [backend] which shall speak; without it the server chooses
 * @property {"low" | "medium" | "high"} [quality]
 * @property {"wav" | "mp3" | "ogg" | "flac" | "aac"} [format]
 * @property {number} [sampleRate] Hz, 8000…48000
 * @property {number} [speed] 0.25…4; 1 is the pace of the live chat
 * @property {boolean} [ssml] whether the text is markup; for `speak`
 * @property {boolean} [timestamps] whether the times of words and phonemes are wanted
 * @property {number} [maxAge] seconds after which the server drops the request if its turn has not come
 * @property {number} [chunkSize] characters of text in one chunk, at most, 10…1000; for `stream`
 * @property {string} [requestId] a name for `cancel`, unique among the requests under way
 * @property {AbortSignal} [signal] cancels the request, on the server too
 */

/** @typedef {{id: string, name: string, language: string, gender: string, backend: string}} Voice */

/**
 * Speaks texts over one connection, many at a time.
 *
 * A connection that breaks is opened again. What was under way fails with `ConnectionLost`, or with `resend` is asked once
 * more if nothing of its answer had arrived. What is asked while there is no connection waits for the next one.
 *
 * The event `state` tells how the connection is: see `Connection`.
 */
export class DanmuClient extends EventTarget {
  #connection;
  #calls;

  /**
   * @param {string | URL} [url] `ws:` or `wss:`; without it the server that this module came from
   * @param {object} [options] those of `Connection`, and
   * @param {string} [options.token] bearer token or API key, sent in the query, since browsers cannot send headers
   * @param {boolean} [options.resend]
   */
  constructor(url = defaultUrl(), { token, resend = false, ...options } = {}) {
    super();
    const address = new URL(url);
    if (token) address.searchParams.set("token", token);
    this.#connection = new Connection(address, options);
    this.#calls = new Calls(this.#connection, { resend });
    this.#connection.addEventListener("state", ({ detail }) => {
      this.dispatchEvent(new CustomEvent("state", { detail }));
    });
  }

  /** @returns {import("./connection.js").State} */
  get state() {
    return this.#connection.state;
  }

  /**
   * Connect, and keep connected until `close()`.
   *
   * @returns {Promise<void>} resolved when the connection is open for the first time
   * @throws {NotConnected} the server is not there (unless `waitForServer`), or the client was closed meanwhile
   */
  connect() {
    return this.#connection.opened();
  }

  /** Connect at once, if the next attempt is being waited for. */
  retry() {
    this.#connection.retry();
  }

  /** Close the connection; the server drops what was under way. */
  close() {
    this.#connection.close();
  }

  /**
   * Get a text as speech.
   *
   * @param {string} text at most 1000 characters; `stream` takes more
   * @param {Choices} [choices]
   * @returns {Promise<Speech>}
   * @throws {RequestFailed | NotConnected}
   */
  async speak(text, choices = {}) {
    const wanted = { ...fields(text, choices), ssml: choices.ssml };
    const data = await this.#ask("tts", wanted, choices);
    return { audio: decodeBase64(data.audio_data), metadata: data.metadata, cached: data.cached ?? false, ...times(data) };
  }

  /**
   * Get a text as speech in chunks, each as soon as it is spoken; the first is short, for an early sound.
   * Leaving the loop before its end cancels the rest on the server.
   *
   * @param {string} text at most 10,000 characters
   * @param {Choices} [choices]
   * @returns {AsyncGenerator<Chunk, void, void>}
   * @throws {RequestFailed | NotConnected}
   */
  async *stream(text, choices = {}) {
    const wanted = { ...fields(text, choices), chunk_size: choices.chunkSize };
    const call = this.#calls.begin("tts_stream", wanted, { id: choices.requestId, signal: choices.signal });
    try {
      for (let reply = await call.next(); !reply.isLast; reply = await call.next()) {
        const { chunk_index: index, total_chunks: total, text_chunk: text, audio_data, metadata } = reply.data;
        yield { index, total, text, audio: decodeBase64(audio_data), metadata, ...times(reply.data) };
      }
    } finally {
      call.end();
    }
  }

  /**
   * List voices.
   *
   * @param {{backend?: string, language?: string, signal?: AbortSignal}} [wanted] `language` as in `zh-CN`
   * @returns {Promise<Voice[]>}
   */
  async voices({ backend, language, signal } = {}) {
    return (await this.#ask("get_voices", { backend, language }, { signal })).voices;
  }

  /**
   * Tell how a backend is doing.
   *
   * @param {string} [backend] without it, the one that speaks if none is named
   * @returns {Promise<{backend: string, available: boolean, reason: string | null, queue_size: number,
   *   processing: number, average_processing_time: number | null, gpu_memory_usage: number}>} times in seconds
   */
  backendStatus(backend) {
    return this.#ask("backend_status", { backend });
  }

  /**
   * Tell who waits.
   *
   * @returns {Promise<{total_queued: number, position: number, estimated_wait_time: number | null,
   *   queues: Record<string, {size: number, processing: number}>}>} `position` of this connection's next request,
   *   0 if none waits; times in seconds
   */
  queueStatus() {
    return this.#ask("queue_status");
  }

  /**
   * End a request of this client, which then fails with `CANCELLED`.
   *
   * @param {string} requestId
   * @returns {Promise<boolean>} whether it was under way
   */
  async cancel(requestId) {
    return (await this.#ask("cancel", { request_id: requestId })).cancelled;
  }

  async #ask(type, data, { requestId, signal } = {}) {
    const call = this.#calls.begin(type, data, { id: requestId, signal });
    try {
      return (await call.next()).data;
    } finally {
      call.end();
    }
  }
}

/**
 * @param {Speech | Chunk} speech
 * @returns {Blob} for `URL.createObjectURL` or a download
 */
export function toBlob({ audio, metadata }) {
  return new Blob([audio], { type: CONTENT_TYPES[metadata.format] ?? "application/octet-stream" });
}

/** The `/ws` beside the `/sdk/` that this module came from. */
function defaultUrl() {
  const url = new URL("../ws", import.meta.url);
  if (!url.protocol.startsWith("http")) return "ws://localhost:8000/ws";
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

function fields(text, { voice, backend, quality, format, sampleRate, speed, timestamps, maxAge }) {
  // Half a surrogate pair, as a cut emoji leaves it, is no Unicode; the server could not even read whose message it is.
  const whole = text.toWellFormed?.() ?? text;
  const choices = { voice, backend, quality, format, sample_rate: sampleRate, speed, timestamps, max_age: maxAge };
  return { text: whole, ...choices };
}

/** @returns {Times} */
function times({ timestamps }) {
  return { words: timestamps?.words ?? null, phonemes: timestamps?.phonemes ?? null };
}
