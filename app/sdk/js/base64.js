/**
 * Files as text.
 *
 * @module
 */

const SLICE_BYTES = 3 * 2 ** 13; // as many arguments as every engine takes in one call; divisible by 3
const SLICES_AT_ONCE = 64; // some milliseconds, after which others have their turn

/** @param {Uint8Array} bytes of any length @returns {Promise<string>} */
export async function encodeBase64(bytes) {
  const parts = [];
  for (let start = 0; start < bytes.length; start += SLICE_BYTES) {
    parts.push(btoa(String.fromCharCode(...bytes.subarray(start, start + SLICE_BYTES))));
    if (parts.length % SLICES_AT_ONCE === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  return parts.join("");
}

/** @param {string} base64 @returns {Uint8Array} */
export function decodeBase64(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const characters = atob(base64);
  const bytes = new Uint8Array(characters.length);
  for (let n = 0; n < bytes.length; n += 1) bytes[n] = characters.charCodeAt(n);
  return bytes;
}
