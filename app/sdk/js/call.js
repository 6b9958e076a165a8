/**
 * Calls over `/ws/echo` and files over `/ws/play/{filename}`, as a phone platform has them, from a browser.
 *
 *     import { CallClient } from "/sdk/call.js";
 *
 *     const call = new CallClient();
 *     await call.start(); // in a handler of a click: what the microphone hears comes back
 *     await call.start({ processor: "speak", microphone: false });
 *     call.say("Good evening!");
 *     await call.play("welcome.wav"); // a file of the server
 *
 * @module
 */

import { CallSound } from "./call_sound.js";
import { Connection, ConnectionLost, NotConnected } from "./connection.js";
import { Framer } from "./framer.js";
import { encodeL16 } from "./l16.js";
import { levelOf } from "./level.js";
import { Microphone, NoMicrophone } from "./microphone.js";
import { Player } from "./player.js";

export { ConnectionLost, NoMicrophone, NotConnected };

const FRAMES_PER_SECOND = 50;
const MAX_BUFFERED_SECONDS = 0.5; // of what a slow network holds; what is later than that is left out

const ENDED = 1000; // the code with which the server ends a call in which nobody says anything, and a file that is played

/**
 * A file of the server; `url` and `play_url` are paths.
 *
 * @typedef {{filename: string, format: string, size_bytes: number, modified_at: string, url: string, play_url: string}}
 *   ListedFile
 */

/**
 * Makes calls to the server, one at a time, and plays its files, one at a time.
 *
 * A call whose connection breaks goes on when it is back. It is over where that could only repeat what ended it.
 *
 * Events, all of them `CustomEvent`s:
 * - `level`: detail is `{way, rms, peak}` of a frame, 0…1; `way` is `sent`, `heard` or `file`;
 * - `roundtrip`: detail is `{seconds}` from the sending of a frame until it came back; of the echo;
 * - `dropped`: a frame was left out, since there is no connection or the network is too slow;
 * - `match`: detail is `{matches, seconds}`, as `Matched` of `stream.js`; `lost`: the music has stopped;
 * - `spoken`: detail is `{id, seconds}`: a text has been heard;
 * - `error`: detail is `{id, message}`: the server cannot do something, and the call goes on;
 * - `end`: detail is `{error}`: the call has ended by itself;
 * - `state`: of the call, see `Connection`;
 * - `progress`: detail is `{seconds}` that a file has sounded.
 */
export class CallClient extends EventTarget {
  #url;
  #token;
  #options;
  #sampleRate;
  #openMicrophone;
  #makePlayer;
  #fetch;
  #now;
  #volume = 1;
  #players = {};
  #call = null; // what is under way: `{connection, microphone, processor}`
  #file = null; // what is played: `{connection, sound}`

  /**
   * @param {string | URL} [url] of the server, with the prefix it may have; the one that this module came from
   * @param {object} [options] those of `Connection`, and
   * @param {string | null} [options.token] bearer token or API key
   * @param {number} [options.sampleRate] Hz of the line: 8000, 16000 or 24000
   * @param {(sampleRate: number, options?: object) => Promise<Microphone>} [options.openMicrophone]
   * @param {() => Player} [options.makePlayer]
   * @param {typeof fetch} [options.fetch]
   */
  constructor(url = defaultUrl(), options = {}) {
    super();
    const { token = null, sampleRate = 16000, openMicrophone = Microphone.open, makePlayer, fetch, ...rest } = options;
    this.#url = new URL(url);
    this.#token = token;
    this.#sampleRate = sampleRate;
    this.#openMicrophone = openMicrophone;
    this.#makePlayer = makePlayer ?? (() => new Player());
    this.#fetch = fetch ?? ((...given) => globalThis.fetch(...given));
    this.#now = rest.now ?? (() => performance.now());
    this.#options = rest;
  }

  /** Hz of the line. */
  get sampleRate() {
    return this.#sampleRate;
  }

  /** How the call is. @returns {import("./connection.js").State} */
  get state() {
    return this.#call?.connection.state ?? "closed";
  }

  /** Whether a file plays. */
  get isPlaying() {
    return this.#file !== null;
  }

  /** Of what is heard, 0…1. */
  get volume() {
    return this.#volume;
  }

  set volume(volume) {
    this.#volume = volume;
    for (const player of Object.values(this.#players)) player.volume = volume;
  }

  /**
   * Call, until `stop()`. To be called from a handler of a gesture. A call before ends.
   *
   * @param {object} [options] those of `Microphone.open`, and
   * @param {"echo" | "recognize" | "speak"} [options.processor] what the server makes of the sound
   * @param {boolean} [options.microphone] whether what a microphone hears is sent
   * @returns {Promise<void>} resolved when the call stands
   * @throws {NoMicrophone | NotConnected}
   */
  async start({ processor = "echo", microphone = true, ...options } = {}) {
    this.stop();
    const mine = this.#begin(processor);
    try {
      await mine.connection.opened();
      if (microphone) await this.#listen(mine, options);
      mine.isUp = true;
    } catch (error) {
      if (mine === this.#call) this.stop();
      throw mine.error ?? error;
    }
  }

  /** Call again at once, if the next attempt is being waited for. */
  retry() {
    this.#call?.connection.retry();
  }

  /** Hang up. */
  stop() {
    const call = this.#call;
    this.#call = null;
    call?.microphone?.close();
    call?.sound?.clear();
    call?.connection.close();
  }

  /**
   * Have a text spoken into the call, after those that are being spoken; for the processor `speak`.
   *
   * @param {string} text
   * @param {{voice?: string, language?: string, id?: string}} [choices]
   */
  say(text, { voice, language, id } = {}) {
    this.#tellServer({ event: "speak", text: text.toWellFormed?.() ?? text, voice, language, id });
  }

  /** Have nothing more played of what was to be. */
  clear() {
    this.#call?.sound?.clear();
    this.#tellServer({ action: "clear" });
  }

  /**
   * List the files that the server can play.
   *
   * @returns {Promise<ListedFile[]>}
   * @throws {Error} with the `status` of the answer
   */
  async files() {
    const headers = this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
    const response = await this.#fetch(this.#address("audio"), { headers });
    if (!response.ok) throw Object.assign(new Error(`the server answers ${response.status}`), { status: response.status });
    return (await response.json()).files;
  }

  /**
   * Play a file of the server as a call would hear it, to its end or until `stopFile()`. A file before ends.
   *
   * @param {string} filename
   * @returns {Promise<boolean>} whether it was played to its end
   * @throws {ConnectionLost} with the server's `reason`
   * @throws {NotConnected}
   */
  async play(filename) {
    this.stopFile();
    const url = this.#socket(`ws/play/${encodeURIComponent(filename)}`, { format: "l16", rate: this.#sampleRate });
    const connection = new Connection(url, { ...this.#options, isFinal: () => true });
    const mine = (this.#file = { connection, sound: new CallSound(this.#player("file"), this.#sampleRate) });
    let played = 0;
    connection.addEventListener("binary", ({ detail }) => {
      const samples = mine.sound.play(detail);
      played += samples.length;
      this.#tellLevel("file", samples);
      this.#tell("progress", { seconds: played / this.#sampleRate });
    });
    const error = await ended(connection);
    if (mine === this.#file && error.code === ENDED) await mine.sound.heard();
    if (mine !== this.#file) return false;
    this.#file = null;
    if (error.code !== ENDED) throw error;
    return true;
  }

  /** Play no more of a file. */
  stopFile() {
    const file = this.#file;
    this.#file = null;
    file?.connection.close();
    file?.sound.clear();
  }

  #begin(processor) {
    const url = this.#socket("ws/echo", { processor, rate: this.#sampleRate });
    const connection = new Connection(url, { isFinal, ...this.#options });
    const sound = new CallSound(this.#player("call"), this.#sampleRate);
    const mine = { connection, sound, processor, microphone: null, sentAt: [], error: null, isUp: false };
    this.#call = mine;
    connection.addEventListener("state", ({ detail }) => this.#onState(mine, detail));
    connection.addEventListener("message", ({ detail }) => mine === this.#call && this.#receive(detail));
    connection.addEventListener("binary", ({ detail }) => mine === this.#call && this.#hear(mine, detail));
    return mine;
  }

  async #listen(mine, options) {
    const microphone = await this.#openMicrophone(this.#sampleRate, options);
    if (mine !== this.#call) {
      microphone.close();
      throw mine.error ?? new NotConnected("the call was ended");
    }
    mine.microphone = microphone;
    const framer = new Framer(this.#sampleRate / FRAMES_PER_SECOND);
    microphone.addEventListener("samples", ({ detail }) => {
      for (const frame of framer.push(detail)) if (mine === this.#call) this.#send(mine, frame);
    });
    microphone.addEventListener("end", ({ detail }) => this.#fail(mine, detail.error));
  }

  #send(mine, frame) {
    this.#tellLevel("sent", frame);
    const room = MAX_BUFFERED_SECONDS * this.#sampleRate * 2;
    if (this.state !== "open" || mine.connection.bufferedAmount > room) return this.#tell("dropped", {});
    if (mine.processor === "echo") mine.sentAt.push(this.#now());
    mine.connection.send(encodeL16(frame));
  }

  #hear(mine, frame) {
    const sentAt = mine.sentAt.shift(); // what is echoed comes back in order
    if (sentAt !== undefined) this.#tell("roundtrip", { seconds: (this.#now() - sentAt) / 1000 });
    this.#tellLevel("heard", mine.sound.play(frame));
  }

  #onState(mine, detail) {
    if (detail.state === "open") {
      mine.sentAt = [];
      const form = `audio/l16;rate=${this.#sampleRate}`;
      mine.connection.send(JSON.stringify({ event: "websocket:connected", "content-type": form }));
    }
    this.#tell("state", detail);
    if (detail.state === "closed") this.#fail(mine, detail.error);
  }

  /** End a call that cannot go on; who waits for it to stand is told there. */
  #fail(mine, error) {
    if (mine !== this.#call) return;
    mine.error = error;
    this.stop();
    if (mine.isUp) this.#tell("end", { error });
  }

  #receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      message = null;
    }
    switch (message?.event) {
      case "chorus:match":
        return this.#tell("match", { matches: message.matches, seconds: message.seconds });
      case "chorus:lost":
        return this.#tell("lost", {});
      case "chorus:spoken":
        return this.#tell("spoken", { id: message.id, seconds: message.seconds });
      case "chorus:error":
        return this.#tell("error", { id: message.id ?? null, message: message.message });
      case "websocket:cleared":
      case "websocket:notify":
        return undefined;
      default:
        console.warn("the server sent what is not known here:", text);
    }
  }

  #tellServer(message) {
    this.#call?.connection.send(JSON.stringify(message));
  }

  #player(name) {
    this.#players[name] ??= Object.assign(this.#makePlayer(), { volume: this.#volume });
    return this.#players[name];
  }

  #address(path) {
    const url = new URL(this.#url);
    url.protocol = url.protocol.replace("ws", "http");
    url.pathname = `${url.pathname.replace(/\/$/, "")}/${path}`;
    return url;
  }

  #socket(path, query) {
    const url = this.#address(path);
    url.protocol = url.protocol.replace("http", "ws");
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    if (this.#token) url.searchParams.set("token", this.#token);
    return url;
  }

  #tellLevel(way, samples) {
    this.#tell("level", { way, ...levelOf(samples) });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const isFinal = (error) => error.blamesClient || error.code === ENDED;

/** Open a connection, and return why it was closed. */
function ended(connection) {
  return new Promise((resolve) => {
    connection.addEventListener("state", ({ detail: { state, error } }) => {
      if (state === "closed") resolve(error);
    });
    connection.open();
  });
}

/** The server beside whose `/sdk/` this module came. */
function defaultUrl() {
  const url = new URL("..", import.meta.url);
  return url.protocol.startsWith("http") ? url : "http://localhost:8000";
}
