/** How the page says things. */

/** @param {any} error @returns {{words: string, code: string | null}} */
export function inWords(error) {
  const details = error.details ?? {};
  const words = {
    BACKEND_UNAVAILABLE: () => unavailable(details) ?? error.message,
    VOICE_NOT_FOUND: () => "This voice is not to be had here. Choose another one.",
    TEXT_TOO_LONG: () => `This is more than one answer may carry: ${error.message}.`,
    QUEUE_FULL: () => `Too many wait already. Try again ${later(details)}.`,
    RATE_LIMITED: () => `That was faster than this server takes requests. Try again ${later(details)}.`,
    INVALID_MESSAGE_FORMAT: () => `The server cannot speak this: ${error.message}.`,
    INTERNAL_ERROR: () => "The server failed on this text. It has been noted there.",
  }[error.code];
  if (words) return { words: words(), code: error.code };
  if (error.name === "ConnectionLost") return { words: "The connection broke before the speech arrived.", code: null };
  if (error.name === "NotConnected") return { words: "There is no connection to the server.", code: null };
  if (error.name === "EncodingError") return { words: "This browser cannot play this format. Try another.", code: null };
  return { words: error.message, code: error.code ?? null };
}

function unavailable({ backend, available_backends: others = [] }) {
  if (!backend) return null;
  const instead = others.length ? `Available: ${others.join(", ")}.` : "No other is available either.";
  return `The engine “${backend}” is not available here. ${instead}`;
}

function later({ retry_after: seconds }) {
  return seconds ? `in ${Math.max(1, Math.ceil(seconds))}\u00a0s` : "in a moment";
}

/** @param {{state: string, error: Error | null, delay: number | null}} detail of the client's event `state` */
export function connectionWords({ state, error, delay }) {
  if (state === "connecting") return "Connecting";
  if (state === "open") return "Connected";
  if (state === "closed") return "Not connected";
  const what = error.name === "ConnectionLost" ? "Connection lost" : "The server does not answer";
  return `${what}, next try in ${Math.ceil(delay)}\u00a0s`;
}

/** @param {number} seconds */
export function span(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)}\u00a0ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)}\u00a0s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}\u00a0min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}\u00a0h ${minutes % 60}\u00a0min` : `${Math.floor(hours / 24)}\u00a0days`;
}

/** A place in a track: 1:02:03. @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const two = (number) => String(number).padStart(2, "0");
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(whole % 60)}`;
}

/** Never 100 % of what is not certain. @param {number} part 0…1 */
export function percent(part) {
  return `${part < 1 ? Math.min(99.9, part * 100).toFixed(part > 0.99 ? 1 : 0) : 100}\u00a0%`;
}

/** @param {number} bytes */
export function size(bytes) {
  return bytes < 1024 * 1024 ? `${Math.max(1, Math.round(bytes / 1024))}\u00a0KB` : `${(bytes / 1024 / 1024).toFixed(1)}\u00a0MB`;
}

/** @param {number} queued @param {number} position @param {number | null} wait seconds */
export function queueWords(queued, position = 0, wait = null) {
  if (!queued) return "Nobody waits.";
  const line = queued === 1 ? "One request waits" : `${queued} requests wait`;
  if (!position) return `${line}.`;
  return `${line}; yours is number ${position}${wait ? `, about ${span(wait)}` : ""}.`;
}

const names = new Intl.DisplayNames(["en"], { type: "language" });

/** @param {string} tag BCP 47 */
export function languageName(tag) {
  try {
    return names.of(tag);
  } catch {
    return tag;
  }
}
