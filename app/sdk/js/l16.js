/**
 * The sound of calls: 16-bit samples, little-endian, of one channel.
 *
 * @module
 */

const SCALE = 32768;

/**
 * @param {Float32Array} samples -1…1; what is beyond is cut off
 * @returns {ArrayBuffer}
 */
export function encodeL16(samples) {
  const view = new DataView(new ArrayBuffer(2 * samples.length));
  samples.forEach((sample, n) => {
    view.setInt16(2 * n, Math.max(-SCALE, Math.min(SCALE - 1, Math.round(sample * SCALE))), true);
  });
  return view.buffer;
}

/**
 * @param {ArrayBuffer} bytes of whole samples; half a one at the end is left out
 * @returns {Float32Array} -1…1
 */
export function decodeL16(bytes) {
  const view = new DataView(bytes);
  return Float32Array.from({ length: Math.floor(bytes.byteLength / 2) }, (_, n) => view.getInt16(2 * n, true) / SCALE);
}
