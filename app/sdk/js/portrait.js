/**
 * A client of talking portraits, `/ws/lip-sync`: a picture and a text or a sound go out, and a video comes back.
 *
 *     import { Portraits } from "/sdk/portrait.js";
 *     import { PortraitPlayer } from "/sdk/portrait_player.js";
 *
 *     const portraits = new Portraits();
 *     const { video } = await portraits.speak(picture, { text: "Good evening!" }); // a Blob
 *
 *     const player = new PortraitPlayer(document.querySelector("video"));
 *     await player.play(portraits.stream(picture, { audio: recording })); // seen while it is drawn
 *
 * @module
 */

import { decodeBase64 } from "./base64.js";
import { RequestFailed } from "./calls.js";
import { Connection, ConnectionLost, NotConnected } from "./connection.js";
import { Exchange } from "./portrait_exchange.js";
import { encodeProcess, given } from "./portrait_request.js";

export { ConnectionLost, NotConnected, RequestFailed };

const MP4 = "video/mp4";

/** @typedef {import("./portrait_request.js").Media} Media */

/**
 * What is said, who says it, and how it is drawn; what is left out, the server chooses.
 *
 * @typedef {object} Wanted
 * @property {Media} [audio] a sound file; either this or `text`
 * @property {string} [text] to be spoken by the server
 * @property {string} [voice] id of a voice, for `text`, as the next four
 * @property {string} [backend] which shall speak
 * @property {string} [language] BCP 47
 * @property {number} [speed] 0.25…4
 * @property {boolean} [ssml] whether it is markup
 * @property {string} [imageId] instead of a picture: the name of one that the server has
 * @property {Media} [video] instead of a picture: somebody whose lips are drawn anew, which the networks alone can do
 * @property {"warp" | "nota_wav2lip" | "wav2lip"} [model] `warp` needs no weights
 * @property {[number, number, number, number]} [pads] pixels by which the networks see more than the face: top, bottom,
 *   left, right
 * @property {1 | 2 | 4} [resizeFactor] divides both sides of the picture, and of the video
 * @property {boolean} [nosmooth] whether what is heard and matched is left as it is, frame by frame
 * @property {number | [number, number]} [face] which of several: 0 is the largest; or a point, after it was resized
 * @property {"contour" | "feather"} [blend]
 * @property {number} [melOffset] frames by which a network hears later
 * @property {number} [fps] 5…60
 * @property {(progress: {percent: number, message: string}) => void} [onProgress]
 * @property {AbortSignal} [signal] cancels it, on the server too
 */

/**
 * A picture that has spoken. What not every server of this protocol tells may be undefined.
 *
 * @typedef {object} Portrait
 * @property {"portrait"} type
 * @property {Blob} video H.264 and AAC in MP4; of a stream, in fragments
 * @property {number} videoSize bytes
 * @property {string} jobId
 * @property {string} modelUsed who has drawn every frame
 * @property {string} [requestedModel]
 * @property {string | null} [fallbackReason] why these two are not the same
 * @property {number} frames
 * @property {number} processingTime seconds, of the server
 * @property {number} inferenceFps frames in a second of the model's own time
 * @property {string} [imageId] by which the picture can be named
 * @property {number} [duration] seconds
 * @property {number} [fps]
 * @property {number} [width] pixels
 * @property {number} [height] pixels
 * @property {string} [codecs] as MediaSource wants to know them
 * @property {number} [faces] in the picture
 * @property {boolean} [faceIsRough] whether the place of the mouth is only a guess
 * @property {string | null} [voice] which has spoken the text
 * @property {string | null} [backend] of the voice
 */

/**
 * What is true of a streamed video, told before its first fragment; the last three as of a `Portrait`, if they are told.
 *
 * @typedef {{type: "opening", jobId: string, codecs: string, width: number, height: number, fps: number,
 *   modelUsed?: string, requestedModel?: string, fallbackReason?: string | null}} Opening
 */

/** @typedef {{type: "fragment", data: Uint8Array}} Fragment a part; all of them, joined, are the file */

/** @typedef {{imageId: string, width: number, height: number, faces: number}} Uploaded */

/**
 * Makes pictures speak, one at a time: others wait their turn.
 *
 * A picture goes over the network once: from then on the same `Blob` (or buffer) is named, and sent again where the
 * server does not have it any more. A connection that breaks is opened again; the portrait that was under way fails with
 * `ConnectionLost`. What is asked while there is no connection waits for the next one. Fragments that are not taken are
 * kept in memory.
 *
 * The event `state` tells how the connection is: see `Connection`.
 */
export class Portraits extends EventTarget {
  #url;
  #token;
  #fetch;
  #connection;
  #exchange;
  #names = new WeakMap(); // of pictures that the server has

  /**
   * @param {string | URL} [url] of the server, with the prefix it may have; the one that this module came from
   * @param {object} [options] those of `Connection`, and
   * @param {string | null} [options.token] bearer token or API key
   * @param {typeof fetch} [options.fetch]
   */
  constructor(url = defaultUrl(), { token = null, fetch, ...options } = {}) {
    super();
    this.#url = new URL(url);
    this.#token = token;
    this.#fetch = fetch ?? ((...given) => globalThis.fetch(...given));
    const address = this.#address("ws/lip-sync");
    address.protocol = address.protocol.replace("http", "ws");
    if (token) address.searchParams.set("token", token);
    this.#connection = new Connection(address, options);
    this.#connection.addEventListener("state", ({ detail }) => {
      this.dispatchEvent(new CustomEvent("state", { detail }));
    });
    this.#exchange = new Exchange(this.#connection);
  }

  /** @returns {import("./connection.js").State} */
  get state() {
    return this.#connection.state;
  }

  /**
   * Connect, and keep connected until `close()`; `speak` and `stream` do it too.
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

  /** Close the connection; the server drops what was under way. */
  close() {
    this.#connection.close();
  }

  /**
   * Give the server a picture before it is to speak, and learn what is in it. From then on it is named.
   *
   * @param {Media} image JPEG, PNG or WebP
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Uploaded>}
   * @throws {RequestFailed} with the `code` of its error, and the `status` in its details
   * @throws {NotConnected}
   */
  async upload(image, { signal } = {}) {
    const headers = { "Content-Type": image.type || "image/*" };
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    const request = { method: "POST", headers, body: image, signal };
    const response = await this.#fetch(this.#address("api/v1/lip-sync/images"), request).catch((cause) => {
      signal?.throwIfAborted();
      throw new NotConnected("the server cannot be reached", { cause });
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
      const words = answer.detail ?? `the server answers ${response.status}`;
      throw new RequestFailed(answer.error_type ?? "internal_error", words, { status: response.status });
    }
    this.#names.set(image, answer.image_id);
    return { imageId: answer.image_id, width: answer.width, height: answer.height, faces: answer.faces };
  }

  /**
   * Have a picture speak.
   *
   * @param {Media | null} image who speaks: JPEG, PNG or WebP; null for `imageId` and `video`
   * @param {Wanted} wanted
   * @returns {Promise<Portrait>}
   * @throws {RequestFailed | NotConnected} `code` is `validation_error`, `processing_error` or `internal_error`
   */
  async speak(image, wanted) {
    for await (const event of this.#made(image, wanted, false)) {
      if (event.type === "portrait") return event;
    }
  }

  /**
   * Have a picture speak, and get the video in fragments while it is drawn. Leaving the loop before its end cancels the
   * rest on the server.
   *
   * @param {Media | null} image as for `speak`
   * @param {Wanted} wanted
   * @returns {AsyncGenerator<Opening | Fragment | Portrait, void, void>} first the opening, last the portrait
   * @throws {RequestFailed | NotConnected}
   */
  stream(image, wanted) {
    return this.#made(image, wanted, true);
  }

  async *#made(image, wanted, isStreamed) {
    const turn = await this.#exchange.begin(wanted.signal);
    const fragments = [];
    try {
      let isNamed = image != null && this.#names.has(image);
      await turn.ask(await this.#process(image, wanted, isStreamed, isNamed));
      for (;;) {
        const message = await turn.next();
        const event = read(message, fragments);
        if (event?.type === "progress") {
          wanted.onProgress?.({ percent: message.progress, message: message.message });
        } else if (event?.type === "failure") {
          turn.isUnderWay = false;
          if (!isNamed || message.field !== "image_id") throw event.error;
          isNamed = false;
          await turn.ask(await this.#process(image, wanted, isStreamed, false));
        } else if (event?.type === "portrait") {
          turn.isUnderWay = false;
          if (image != null && event.imageId) this.#names.set(image, event.imageId);
          yield event;
          return;
        } else if (event) {
          yield event;
        }
      }
    } finally {
      turn.end();
    }
  }

  #process(image, wanted, isStreamed, isNamed) {
    const { text, voice, backend, language, speed, ssml, audio, imageId, video } = wanted;
    const fields = {
      text: text?.toWellFormed?.() ?? text,
      voice,
      backend,
      language,
      speed,
      ssml,
      image_id: isNamed ? this.#names.get(image) : imageId,
      options: given({
        model_type: wanted.model,
        pads: wanted.pads,
        resize_factor: wanted.resizeFactor,
        nosmooth: wanted.nosmooth,
        face: wanted.face,
        blend: wanted.blend,
        mel_offset: wanted.melOffset,
        fps: wanted.fps,
        stream: isStreamed || null,
      }),
    };
    const files = { image_base64: isNamed ? null : image, audio_base64: audio, video_base64: video };
    return encodeProcess(fields, files);
  }

  #address(path) {
    const url = new URL(this.#url);
    url.protocol = url.protocol.replace("ws", "http");
    url.pathname = `${url.pathname.replace(/\/$/, "")}/${path}`;
    return url;
  }
}

/** Make of a message what is told of it; nothing of what tells nothing of a portrait. */
function read(message, fragments) {
  if (message instanceof ArrayBuffer) {
    fragments.push(message);
    return { type: "fragment", data: new Uint8Array(message) };
  }
  switch (message.type) {
    case "progress":
      return { type: "progress" };
    case "stream":
      return { ...common(message), type: "opening" };
    case "result":
      return portrait(message, fragments);
    case "error": {
      const { error_type: code, message: words, ...details } = message;
      return { type: "failure", error: new RequestFailed(code, words, details) };
    }
    default:
      return null;
  }
}

function portrait(message, fragments) {
  const whole = message.video_base64 == null ? fragments : [decodeBase64(message.video_base64)];
  return {
    ...common(message),
    type: "portrait",
    video: new Blob(whole, { type: MP4 }),
    videoSize: message.video_size,
    frames: message.frames_processed,
    processingTime: message.processing_time,
    inferenceFps: message.inference_fps,
    imageId: message.image_id,
    duration: message.duration,
    faces: message.faces,
    faceIsRough: message.face_is_rough,
    voice: message.voice,
    backend: message.backend,
  };
}

function common(message) {
  const { job_id: jobId, codecs, width, height, fps } = message;
  const { model_used: modelUsed, requested_model: requestedModel, fallback_reason: fallbackReason } = message;
  return { jobId, codecs, width, height, fps, modelUsed, requestedModel, fallbackReason };
}

/** The server beside whose `/sdk/` this module came. */
function defaultUrl() {
  const url = new URL("..", import.meta.url);
  return url.protocol.startsWith("http") ? url : "ws://localhost:8000";
}
