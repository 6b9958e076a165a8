/**
 * Takes and voices over a WebSocket, heard while they are made.
 *
 * @module
 */

import { Call, RequestFailed } from "./calls.js";
import { Connection, NotConnected } from "./connection.js";
import { BrokenReply, parseHeader, unpack } from "./speak_frames.js";
import { Order } from "./speak_order.js";

/** A take or a voice could not be made; `item` is its JSON as it ended, null if the server told nothing of it. */
export class GenerationFailed extends RequestFailed {
  name = "GenerationFailed";

  /**
   * @param {string} message
   * @param {Record<string, any> | null} item
   */
  constructor(message, item = null) {
    super("GENERATION_FAILED", message);
    this.item = item;
  }
}

const RANKS = ["waiting", "started", "progress_25", "progress_50", "progress_75", "ready"];

/** @param {string} status @returns {boolean} whether nothing more happens */
export const isDone = (status) => ["ready", "error", "timeout"].includes(status);

const rankOf = (status) => (isDone(status) ? RANKS.length : RANKS.indexOf(status));

/**
 * What happens to a take or a voice while it is made.
 *
 * - `status`: it has come further; `item` is its JSON;
 * - `part`: a part, one sentence or so, has arrived; `audio` is a complete WAV file;
 * - `chunk`: a piece of a part has arrived; the `audio` of all pieces of a part, joined, is a WAV file;
 * - `end`: all audio has arrived and the status is `ready`; nothing comes after this.
 *
 * @typedef {{type: "status", status: string, item: Record<string, any>}
 *   | {type: "part", takeId: string, partId: number, header: import("./speak_frames.js").WavHeader, audio: Uint8Array,
 *      pcm: Uint8Array}
 *   | {type: "chunk", takeId: string, partId: number, chunkId: number, header: import("./speak_frames.js").WavHeader,
 *      audio: Uint8Array, pcm: Uint8Array}
 *   | {type: "end", item: Record<string, any>}} SpeakEvent
 */

/**
 * How a take is to be spoken.
 *
 * @typedef {object} TakeChoices
 * @property {string} [overrideLanguage] BCP 47; without it the server finds the language of each sentence
 * @property {string[]} [style] of those that the model has
 * @property {Record<string, number>} [prosody] -10…10: `{pitch, pace, expression}`, or `{pitch, pace, valence,
 *   dominance, arousal}`, or `{pitch, pace, tilt, pitch_range}`
 * @property {string} [statusWebhook] URL that is called whenever the status changes
 * @property {string} [doneWebhook] URL that is called once, when it is done
 * @property {string | number} [userData] given back with the take by servers that know the field
 */

/**
 * @param {string} text
 * @param {TakeChoices} choices
 * @returns {Record<string, any>} JSON of what shall be spoken, without the voice
 */
export function wording(text, { overrideLanguage, style, prosody, statusWebhook, doneWebhook, userData } = {}) {
  return given({
    // Half a surrogate pair, as a cut emoji leaves it, is no Unicode; the server could not even read whose text it is.
    text: text.toWellFormed?.() ?? text,
    override_language: overrideLanguage,
    style,
    prosody,
    status_webhook: webhook(statusWebhook),
    done_webhook: webhook(doneWebhook),
    user_data: userData,
  });
}

/**
 * @typedef {object} VoiceChoices
 * @property {string} [description]
 * @property {string[]} [defaultStyle]
 * @property {Record<string, number>} [defaultProsody] as `TakeChoices.prosody`
 * @property {string | ({text: string} & TakeChoices)} [example] what the voice says first
 * @property {string} [doneWebhook] URL that is called once, when it is done
 */

/**
 * @param {string} name
 * @param {string} model
 * @param {"female" | "male" | "nonbinary"} gender
 * @param {VoiceChoices} choices
 * @returns {Record<string, any>} JSON of a voice that shall be made
 */
export function voiceRequest(name, model, gender, { description, defaultStyle, defaultProsody, example, doneWebhook }) {
  const { text, ...choices } = typeof example === "string" ? { text: example } : (example ?? {});
  return given({
    name,
    model,
    gender,
    description,
    default_style: defaultStyle,
    default_prosody: defaultProsody,
    example_take: text && wording(text, choices),
    done_webhook: webhook(doneWebhook),
  });
}

/** @param {Record<string, any>} fields @returns {Record<string, any>} those that are not null or undefined */
export function given(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));
}

const webhook = (url) => url && { post_url: url };

/** One request's answer, put into the order in which it happened. */
class Assembly {
  #order = new Order();
  #item = null;
  #header = null;

  /** @param {Record<string, any>} item JSON of a text message @returns {SpeakEvent[]} */
  *told(item) {
    if (rankOf(item?.status) < 0) throw new BrokenReply("a status message has no status");
    if (this.#item && rankOf(item.status) <= rankOf(this.#item.status)) return; // an old one that came late
    this.#item = item;
    yield { type: "status", status: item.status, item };
    if (item.status === "ready") yield* this.#end();
    // A server may or may not send an end of audio after these.
    else if (isDone(item.status)) throw new GenerationFailed(item.error ?? `it ended in '${item.status}'`, item);
  }

  /** @param {import("./speak_frames.js").Frame} frame @returns {SpeakEvent[]} */
  *heard(frame) {
    if (this.#order.isComplete) return;
    for (const { takeId, partId, chunkId, audio } of this.#order.put(frame)) {
      if (!chunkId) this.#header = parseHeader(audio);
      const header = this.#header;
      const end = header.dataBytes === null ? undefined : header.dataStart + header.dataBytes;
      const pcm = chunkId ? audio : audio.subarray(header.dataStart, end);
      const place = chunkId === null ? { type: "part", takeId, partId } : { type: "chunk", takeId, partId, chunkId };
      yield { ...place, header, audio, pcm };
    }
    if (this.#order.isComplete) yield* this.#end();
  }

  *#end() {
    if (this.#item?.status === "ready" && this.#order.isComplete) yield { type: "end", item: this.#item };
  }
}

/**
 * Makes takes and voices over one connection, several at a time if you like; the server makes them one after another.
 *
 * A connection that breaks is opened again, with a fresh address if `url` is a function. What was under way fails with
 * `ConnectionLost`; what is asked while there is no connection waits for the next one.
 *
 * What has arrived and is not taken is kept, without bound: a browser cannot make the server wait.
 *
 * The event `state` tells how the connection is: see `Connection`.
 */
export class SpeakStream extends EventTarget {
  #connection;
  #underWay = new Map();
  #lastId = 0;

  /**
   * @param {string | URL | (() => Promise<string | URL>)} url `ws:` or `wss:` address with its secret, which serves for an
   *   hour, or what fetches one: `SpeakClient.stream` gives it, or a page's own server, which keeps the credentials
   * @param {object} [options] those of `Connection`
   */
  constructor(url, options = {}) {
    super();
    this.#connection = new Connection(url, options);
    this.#connection.addEventListener("message", ({ detail }) => this.#read(() => this.#onText(detail)));
    this.#connection.addEventListener("binary", ({ detail }) => this.#read(() => this.#onFrame(unpack(detail))));
    this.#connection.addEventListener("state", ({ detail }) => {
      this.#onState(detail);
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
   * @throws {NotConnected | Error} the server is not there, or what `url` threw
   */
  connect() {
    return this.#connection.opened();
  }

  /** Connect at once, if the next attempt is being waited for. */
  retry() {
    this.#connection.retry();
  }

  /** Close the connection; the server makes what was asked for all the same. */
  close() {
    this.#connection.close();
  }

  /**
   * Make a take, and yield what happens. Leaving the loop before its end gives up the rest of the audio, not the take.
   *
   * @param {string} voiceId
   * @param {string} text
   * @param {TakeChoices & {mode?: "parts" | "chunks", signal?: AbortSignal}} [choices] `parts` yields complete WAV files, a
   *   sentence each; `chunks` yields small pieces of them
   * @returns {AsyncGenerator<SpeakEvent, void, void>}
   * @throws {GenerationFailed | BrokenReply | NotConnected} or the reason of an aborted signal
   */
  take(voiceId, text, { mode, signal, ...choices } = {}) {
    return this.#perform("/takes/generate", { voice_id: voiceId, ...wording(text, choices) }, mode, signal);
  }

  /**
   * Make a voice, and yield what happens, as `take` does; the audio is its example.
   *
   * @param {string} name
   * @param {string} model
   * @param {"female" | "male" | "nonbinary"} gender
   * @param {VoiceChoices & {mode?: "parts" | "chunks", signal?: AbortSignal}} [choices]
   * @returns {AsyncGenerator<SpeakEvent, void, void>}
   */
  voice(name, model, gender, { mode, signal, ...choices } = {}) {
    return this.#perform("/voices/generate", voiceRequest(name, model, gender, choices), mode, signal);
  }

  /**
   * Make a take, telling callbacks what happens.
   *
   * @param {string} voiceId
   * @param {string} text
   * @param {Parameters<SpeakStream["take"]>[2] & {onStatus?: (item: any) => any, onAudio?: (event: any) => any}} [choices]
   *   promises of callbacks are awaited before the next is called
   * @returns {Promise<Record<string, any>>} the take, when it is ready and all its audio has arrived
   */
  generateTake(voiceId, text, { onStatus, onAudio, ...choices } = {}) {
    return tell(this.take(voiceId, text, choices), onStatus, onAudio);
  }

  /**
   * Make a voice, telling callbacks what happens, as `generateTake` does.
   *
   * @param {string} name
   * @param {string} model
   * @param {"female" | "male" | "nonbinary"} gender
   * @param {Parameters<SpeakStream["voice"]>[3] & {onStatus?: (item: any) => any, onAudio?: (event: any) => any}} [choices]
   * @returns {Promise<Record<string, any>>}
   */
  generateVoice(name, model, gender, { onStatus, onAudio, ...choices } = {}) {
    return tell(this.voice(name, model, gender, choices), onStatus, onAudio);
  }

  async *#perform(command, data, mode, signal) {
    const call = this.#begin(command, data, mode, signal);
    try {
      for (let event = await call.next(); ; event = await call.next()) {
        yield event;
        if (event.type === "end") return;
      }
    } finally {
      call.end();
    }
  }

  #begin(command, data, mode, signal) {
    signal?.throwIfAborted();
    if (this.state === "closed") throw new NotConnected("the stream is not connected");
    // Ids count from 1, since 0 is no id to some, and are never used again, not even on the next connection.
    const id = (this.#lastId += 1);
    const stream = mode === "chunks" ? { mode } : undefined;
    const message = JSON.stringify({ command, request_id: id, stream, data });
    const call = new Call({ end: () => this.#forget(call) }, id, message, signal);
    call.assembly = new Assembly();
    this.#underWay.set(String(id), call);
    if (this.state === "open") this.#send(call);
    return call;
  }

  #forget({ id }) {
    this.#underWay.delete(String(id));
  }

  #send(call) {
    call.isSent = true;
    this.#connection.send(call.message);
  }

  #onState({ state, error }) {
    if (state === "open") {
      for (const call of this.#underWay.values()) this.#send(call);
    } else if (state !== "connecting") {
      for (const call of [...this.#underWay.values()]) {
        if (state === "closed" || call.isSent) this.#fail(call, error);
      }
    }
  }

  /** A message that cannot be read, and an error that names no request, fail all: none could be sure of its own. */
  #read(take) {
    try {
      take();
    } catch (error) {
      if (!(error instanceof BrokenReply || error instanceof RequestFailed)) throw error;
      for (const call of [...this.#underWay.values()]) this.#fail(call, error);
    }
  }

  #onText(message) {
    let told = null;
    try {
      told = JSON.parse(message);
    } catch {
      // told below
    }
    if (told === null || typeof told !== "object") throw new BrokenReply("a text message is no JSON object");
    const call = this.#underWay.get(String(told.request_id));
    if (told.status === "error") {
      const error = new GenerationFailed(told.message ?? "the server named no reason");
      if (told.request_id == null) throw error;
      if (call) this.#fail(call, error);
    } else if (call && told.data) {
      this.#pass(call, () => call.assembly.told(told.data));
    }
    // Else it is a notice of the server about itself, or comes for a request that was given up.
  }

  #onFrame(frame) {
    const call = this.#underWay.get(frame.requestId);
    if (call) this.#pass(call, () => call.assembly.heard(frame));
  }

  #pass(call, events) {
    try {
      for (const event of events()) {
        if (event.type === "end") this.#forget(call);
        call.take(event);
      }
    } catch (error) {
      this.#fail(call, error);
    }
  }

  #fail(call, error) {
    this.#forget(call);
    call.fail(error);
  }
}

async function tell(events, onStatus, onAudio) {
  for await (const event of events) {
    if (event.type === "end") return event.item;
    await (event.type === "status" ? onStatus?.(event.item) : onAudio?.(event));
  }
}
