/** How the page of portraits says things. */

import { inWords } from "./words.js";

const TOO_LARGE = 1009; // the code with which a server ends a connection over which it was sent too much

/** @param {any} error */
export function errorWords(error) {
  const words = {
    processing_error: () => sentence(error.message),
    validation_error: () => `The server cannot take this: ${error.message}.`,
    internal_error: () => "The server failed on this portrait. It has been noted there.",
  }[error.code];
  if (words) return words();
  if (error.code === TOO_LARGE) return "This is more than the server takes at once. Try a smaller picture or a shorter sound.";
  if (error.name === "ConnectionLost") return "The connection broke before the portrait was drawn.";
  return inWords(error).words;
}

/** @param {{width: number, height: number, faces: number | null}} picture */
export function sitterWords({ width, height, faces }) {
  const size = `${width} × ${height}`;
  if (faces === null) return size;
  if (faces === 0) return `No face was found in it. ${size}`;
  return `${faces === 1 ? "One face" : `${faces} faces, of which the largest speaks`}, ${size}`;
}

/** @param {import("../sdk/portrait.js").Portrait} portrait @param {boolean} isHeldBack by the browser */
export function drawnWords({ modelUsed, faceIsRough }, isHeldBack) {
  if (isHeldBack) return "Drawn. The browser wants you to have it played.";
  return faceIsRough ? "Drawn. Where the mouth is was only a guess." : `Drawn by ${modelUsed}.`;
}

/** @param {import("../sdk/portrait.js").Portrait} portrait @returns {string} empty if it was drawn by whom it should */
export function reasonWords({ modelUsed, requestedModel, fallbackReason }) {
  return fallbackReason ? `Drawn by ${modelUsed}, not by ${requestedModel}: ${fallbackReason}.` : "";
}

/** Show what is between backticks as code. @param {string} words @returns {Node[]} */
export function marked(words) {
  return words.split("`").map((part, n) => {
    if (n % 2 === 0) return document.createTextNode(part);
    return Object.assign(document.createElement("code"), { textContent: part });
  });
}

/** @param {string} words */
function sentence(words) {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;
}
