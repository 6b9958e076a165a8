/**
 * How loud a sound is.
 *
 * @module
 */

/** @param {Float32Array} samples -1…1 @returns {{rms: number, peak: number}} 0…1; of no samples 0 */
export function levelOf(samples) {
  let [sum, peak] = [0, 0];
  for (const sample of samples) {
    sum += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  return { rms: samples.length ? Math.sqrt(sum / samples.length) : 0, peak };
}
