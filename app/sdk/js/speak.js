/**
 * The speak API, `/v1/speak`: takes and voices, over REST and heard while they are made. For browsers and Node.js, without
 * a build step, and for any server of this protocol.
 *
 *     import { Player, SpeakClient, TakePlayer } from "/sdk/speak.js";
 *
 *     const client = new SpeakClient(undefined, { email, password });
 *     const [model] = await client.models();
 *     const voice = await client.generateVoice("Ada", model.name, "female");
 *     const stream = client.stream({ model: model.name });
 *     await stream.connect();
 *     const player = new TakePlayer(new Player());
 *     for await (const event of stream.take(voice.voice_id, "Good evening! What a night.")) player.play(event);
 *
 * A page that must not know credentials lets its own server fetch the address of the WebSocket:
 *
 *     const stream = new SpeakStream(async () => (await fetch("/ws_url")).text());
 *
 * @module
 */

import { RequestFailed } from "./calls.js";
import { ConnectionLost, delay, NotConnected } from "./connection.js";
import { Player } from "./player.js";
import { BrokenReply, parseHeader } from "./speak_frames.js";
import { GenerationFailed, given, isDone, SpeakStream, voiceRequest, wording } from "./speak_stream.js";
import { httpFailure, Tokens } from "./speak_tokens.js";
import { TakePlayer } from "./take_player.js";

export { BrokenReply, ConnectionLost, GenerationFailed, NotConnected, RequestFailed };
export { parseHeader, Player, SpeakStream, TakePlayer };

const POLLS = { first: 0.1, longest: 2, jitter: 0.2 };
const MAX_FAILURES = 10; // in a row: about a quarter of a minute, in which a server can start again
const IDS_PER_REQUEST = 50; // in one address

/** @typedef {"wav" | "mp3" | "flac" | "m4a" | "webm"} Format */

/**
 * Makes takes and voices, and fetches their audio. Takes, voices and models are given as the server's JSON has them.
 *
 * It signs in when it first has to, and renews its token when that expires. Every method throws `NotConnected` if the
 * server cannot be reached, and `RequestFailed` if it answers with an error, whose `code` is then the status of HTTP.
 */
export class SpeakClient {
  #url;
  #tokens;
  #options;

  /**
   * @param {string | URL} [url] of the server; without it the one that this module came from
   * @param {import("./speak_tokens.js").Credentials & {
   *   onTokens?: (token: string | null, refreshToken: string | null) => void,
   *   authUrl?: string | URL, fetch?: typeof fetch, setTimeout?: typeof setTimeout, random?: () => number,
   * }} [options] `onTokens` is told of every change, so that tokens can be kept for the next visit; `authUrl` is where
   *   `/auth/` is, if not at `url`
   */
  constructor(url = defaultUrl(), { onTokens, authUrl = url, ...options } = {}) {
    this.#options = {
      fetch: (...given) => globalThis.fetch(...given),
      setTimeout: (...given) => globalThis.setTimeout(...given),
      random: Math.random,
      ...options,
    };
    this.#url = below(url, "v1/speak/");
    this.#tokens = new Tokens(this.#options.fetch, below(authUrl, "auth/"), options, onTokens);
  }

  /** Sign in now, to learn whether the credentials are good; else the first request does it. */
  async signIn() {
    await this.#tokens.current();
  }

  /** Give the session up. */
  signOut() {
    return this.#tokens.signOut();
  }

  /** @returns {Promise<{version: number, minor: number}>} needs no credentials */
  async version() {
    return (await this.#try("GET", "version")).json();
  }

  /** @returns {Promise<Record<string, any>[]>} what can speak */
  models() {
    return this.#ask("GET", "models");
  }

  /** @param {string} name @returns {Promise<Record<string, any>>} */
  model(name) {
    return this.#ask("GET", `models/${encodeURIComponent(name)}`);
  }

  /**
   * @param {{length?: number, page?: number, older?: number, newer?: number}} [wanted] the newest come first; times in
   *   milliseconds since the epoch
   * @returns {Promise<Record<string, any>[]>}
   */
  voices(wanted) {
    return this.#ask("GET", "voices", { query: wanted });
  }

  /** @param {string} voiceId @returns {Promise<Record<string, any>>} */
  voice(voiceId) {
    return this.#ask("GET", `voices/${encodeURIComponent(voiceId)}`);
  }

  /**
   * Make a voice.
   *
   * @param {string} name for people
   * @param {string} model name of the model
   * @param {"female" | "male" | "nonbinary"} gender
   * @param {import("./speak_stream.js").VoiceChoices & Patience & {wait?: boolean}} [choices] `wait: false` returns it at
   *   once, before it is ready
   * @returns {Promise<Record<string, any>>}
   * @throws {GenerationFailed}
   */
  async generateVoice(name, model, gender, { wait = true, signal, timeout, onStatus, ...choices } = {}) {
    const body = voiceRequest(name, model, gender, choices);
    const made = await this.#ask("POST", "voices/generate", { body, signal });
    return wait ? this.waitForVoice(made.voice_id, { signal, timeout, onStatus }) : made;
  }

  /** @param {string} voiceId @param {Patience} [patience] @returns {Promise<Record<string, any>>} when it is ready */
  async waitForVoice(voiceId, patience) {
    return (await this.#wait("voice", [voiceId], patience))[0];
  }

  /**
   * Change a voice.
   *
   * @param {string} voiceId
   * @param {{name?: string, gender?: string, description?: string, defaultStyle?: string[],
   *   defaultProsody?: Record<string, number>}} change what is absent stays
   */
  async updateVoice(voiceId, { name, gender, description, defaultStyle, defaultProsody }) {
    const change = { name, gender, description, default_style: defaultStyle, default_prosody: defaultProsody };
    const body = given(change);
    if (!Object.keys(body).length) throw new RangeError("nothing of the voice is to be changed");
    await this.#ask("POST", `voices/${encodeURIComponent(voiceId)}`, { body });
  }

  /** @param {string} voiceId whose takes stay */
  async deleteVoice(voiceId) {
    await this.#send("DELETE", `voices/${encodeURIComponent(voiceId)}`);
  }

  /**
   * Make a take.
   *
   * @param {string} voiceId
   * @param {string} text
   * @param {import("./speak_stream.js").TakeChoices & Patience & {wait?: boolean}} [choices] `wait: false` returns it at
   *   once, before it is ready
   * @returns {Promise<Record<string, any>>}
   * @throws {GenerationFailed}
   */
  async generateTake(voiceId, text, { wait = true, signal, timeout, onStatus, ...choices } = {}) {
    const body = { voice_id: voiceId, ...wording(text, choices) };
    const made = await this.#ask("POST", "takes/generate", { body, signal });
    return wait ? this.waitForTake(made.take_id, { signal, timeout, onStatus }) : made;
  }

  /**
   * Make many takes in one request.
   *
   * @param {({voiceId: string, text: string} & import("./speak_stream.js").TakeChoices)[]} requests
   * @param {Patience & {wait?: boolean}} [options]
   * @returns {Promise<Record<string, any>[]>} in the same order
   */
  async generateTakes(requests, { wait = true, ...patience } = {}) {
    const body = requests.map(({ voiceId, text, ...choices }) => ({ voice_id: voiceId, ...wording(text, choices) }));
    const made = await this.#ask("POST", "takes/generate", { body, signal: patience.signal });
    return wait ? this.waitForTakes(made.map(({ take_id }) => take_id), patience) : made;
  }

  /** @param {string} takeId @param {Patience} [patience] @returns {Promise<Record<string, any>>} when it is ready */
  async waitForTake(takeId, patience) {
    return (await this.#wait("take", [takeId], patience))[0];
  }

  /** @param {string[]} takeIds @param {Patience} [patience] @returns {Promise<Record<string, any>[]>} when all are done */
  waitForTakes(takeIds, patience) {
    return this.#wait("take", takeIds, patience);
  }

  /** @param {string} takeId @returns {Promise<Record<string, any>>} */
  take(takeId) {
    return this.#ask("GET", `takes/${encodeURIComponent(takeId)}`);
  }

  /** @param {Parameters<SpeakClient["voices"]>[0]} [wanted] @returns {Promise<Record<string, any>[]>} */
  takes(wanted) {
    return this.#ask("GET", "takes", { query: wanted });
  }

  /** @param {string} takeId whose audio goes too */
  async deleteTake(takeId) {
    await this.#send("DELETE", `takes/${encodeURIComponent(takeId)}`);
  }

  /**
   * Fetch the audio of a take: WAV while it is still made, other formats when it is ready.
   *
   * @param {string} takeId
   * @param {Format} [format]
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Response>} whose body can be read as it comes, or as a blob
   */
  async audio(takeId, format = "wav", { signal } = {}) {
    if (format !== "wav") await this.waitForTake(takeId, { signal });
    return this.#send("GET", `takes/${encodeURIComponent(takeId)}/${format}`, { signal });
  }

  /**
   * @param {string} takeId
   * @param {Format} [format]
   * @returns {Promise<string>} an address of the audio that works without credentials for a while, for a link or a player
   */
  async audioUrl(takeId, format = "wav") {
    // Browsers hide the address to which they are redirected until they have followed it.
    const response = await this.audio(takeId, format);
    await response.body?.cancel();
    return response.url;
  }

  /**
   * @param {{model?: string, voiceId?: string}} which of both is to be served
   * @returns {Promise<string>} the address of a WebSocket, with its secret
   */
  async websocketUrl({ model, voiceId }) {
    const name = model ?? (await this.voice(voiceId)).model;
    const reply = await this.#ask("GET", `websocket/${encodeURIComponent(name)}`).catch((error) => {
      if (error.code !== "404") throw error;
      return this.#ask("GET", "websocket", { query: { model: name } }); // as the document has it
    });
    const url = reply.worker_websocket_url ?? reply.websocket_url;
    if (!url) throw new BrokenReply("the server gave no address of a WebSocket");
    return url.replace(/^http/, "ws");
  }

  /**
   * @param {{model?: string, voiceId?: string} & Record<string, any>} options the model that is kept ready, or a voice
   *   that stands for it; the others are those of `Connection`
   * @returns {SpeakStream} to be connected
   */
  stream({ model, voiceId, ...options }) {
    return new SpeakStream(async () => {
      try {
        return await this.websocketUrl({ model, voiceId });
      } catch (error) {
        const { status } = error.details ?? {};
        // What may pass is tried again.
        throw status === 429 || status >= 500 ? new NotConnected(error.message) : error;
      }
    }, options);
  }

  async #wait(kind, ids, { signal, timeout = Infinity, onStatus } = {}) {
    const known = new Map();
    const left = () => ids.filter((id) => !isDone(known.get(id)?.status));
    let unchanged = 0;
    for (let slept = 0; left().length; unchanged += 1) {
      if (known.size) {
        if (slept >= timeout) throw new DOMException(`${left().join(", ")}: not done in time`, "TimeoutError");
        const seconds = Math.min(delay(POLLS, unchanged - 1, this.#options.random()), timeout - slept);
        await this.#sleep(seconds, signal);
        slept += seconds;
      }
      for (const item of await this.#askAgain(kind, left(), signal)) {
        const id = item[`${kind}_id`];
        if (known.get(id)?.status !== item.status) {
          unchanged = 0; // it moves: ask sooner
          onStatus?.(item);
        }
        known.set(id, item);
      }
    }
    const items = ids.map((id) => known.get(id));
    const failed = items.find(({ status }) => status !== "ready");
    if (failed) throw new GenerationFailed(failed.error ?? `it ended in '${failed.status}'`, failed);
    return items;
  }

  /** Ask once, or more often while the server cannot answer. */
  async #askAgain(kind, ids, signal) {
    for (let failures = 1; ; failures += 1) {
      try {
        return await this.#find(kind, ids, signal);
      } catch (error) {
        const { status, retry_after: wanted = 0 } = error.details ?? {};
        const mayPass = error instanceof NotConnected || status === 429 || status >= 500;
        if (!mayPass || failures >= MAX_FAILURES) throw error;
        await this.#sleep(Math.max(delay(POLLS, failures, this.#options.random()), wanted), signal);
      }
    }
  }

  async #find(kind, ids, signal) {
    if (ids.length === 1) return [await this.#ask("GET", `${kind}s/${encodeURIComponent(ids[0])}`, { signal })];
    const found = [];
    for (let start = 0; start < ids.length; start += IDS_PER_REQUEST) {
      const some = ids.slice(start, start + IDS_PER_REQUEST).join(",");
      found.push(...(await this.#ask("GET", `${kind}s`, { query: { [`${kind}_id`]: some }, signal })));
    }
    const lost = ids.filter((id) => !found.some((item) => item[`${kind}_id`] === id));
    if (lost.length) throw new RequestFailed("404", `the server does not know ${lost.join(", ")}`, { status: 404 });
    return found;
  }

  #sleep(seconds, signal) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const onAbort = () => reject(signal.reason);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#options.setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, seconds * 1000);
    });
  }

  async #ask(method, route, options) {
    const response = await this.#send(method, route, options);
    return response.json().catch(() => {
      throw new BrokenReply(`the answer of ${route} is no JSON`);
    });
  }

  /** Send with the token, and once more with another if it is refused. */
  async #send(method, route, options) {
    const token = await this.#tokens.current();
    try {
      return await this.#try(method, route, { ...options, token });
    } catch (error) {
      if (error.code !== "401" || !(await this.#tokens.renew(token))) throw error;
      return this.#try(method, route, { ...options, token: await this.#tokens.current() });
    }
  }

  async #try(method, route, { query = {}, body, token, signal } = {}) {
    const url = new URL(route, this.#url);
    url.search = new URLSearchParams(given(query));
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    if (body) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await this.#options.fetch(url, { method, headers, signal, body: body && JSON.stringify(body) });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new NotConnected(`cannot reach ${url.origin}: ${error.message}`);
    }
    if (!response.ok) throw await httpFailure(response);
    return response;
  }
}

/**
 * How to wait.
 *
 * @typedef {object} Patience
 * @property {AbortSignal} [signal] ends the waiting
 * @property {number} [timeout] seconds of waiting between questions
 * @property {(item: Record<string, any>) => void} [onStatus] told whenever a status has been found changed
 */

function below(url, path) {
  const base = new URL(url);
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  return new URL(path, base);
}

/** The server that this module came from. */
function defaultUrl() {
  const url = new URL("../", import.meta.url);
  return url.protocol.startsWith("http") ? url : new URL("http://localhost:8000");
}
