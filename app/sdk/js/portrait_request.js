/**
 * How what is asked of a portrait is written.
 *
 * @module
 */

import { encodeBase64 } from "./base64.js";

/** @typedef {Blob | ArrayBuffer | Uint8Array} Media a file, or what is in it */

/**
 * Write the message `process`.
 *
 * @param {Record<string, any>} fields those that are null or undefined are left out
 * @param {Record<string, Media | null | undefined>} files of the same
 * @returns {Promise<string>}
 */
export async function encodeProcess(fields, files) {
  const parts = [JSON.stringify({ type: "process", ...given(fields) }).slice(0, -1)];
  for (const [name, file] of Object.entries(given(files))) {
    parts.push(`,"${name}":"`, await encodeBase64(await content(file)), '"');
  }
  return `${parts.join("")}}`;
}

/** @template T @param {Record<string, T | null | undefined>} fields @returns {Record<string, T>} */
export function given(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));
}

async function content(file) {
  return file instanceof Uint8Array ? file : new Uint8Array(await new Response(file).arrayBuffer());
}
