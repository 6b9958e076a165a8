/** Pictures as servers take them. */

const TAKEN = ["image/jpeg", "image/png", "image/webp"];
const MAX_BYTES = 10 * 1024 * 1024;
const MAX_PIXELS = 16e6;
const MAX_SIDE = 2048; // of one that is made smaller
const QUALITY = 0.92;

/** What was given is no picture that this browser can show. */
export class NoPicture extends Error {
  name = "NoPicture";
}

/**
 * Return a picture as it is, or as a JPEG if it is too large or of a kind that servers do not read.
 *
 * @param {Blob} file
 * @returns {Promise<{image: Blob, width: number, height: number}>} pixels
 * @throws {NoPicture}
 */
export async function prepare(file) {
  const bitmap = await createImageBitmap(file).catch((cause) => {
    throw new NoPicture("This is no picture that the browser can show.", { cause });
  });
  const { width, height } = bitmap;
  if (TAKEN.includes(file.type) && file.size <= MAX_BYTES && width * height <= MAX_PIXELS) {
    bitmap.close();
    return { image: file, width, height };
  }
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  return jpeg(bitmap, Math.round(width * scale), Math.round(height * scale));
}

/**
 * @param {HTMLVideoElement} video
 * @returns {Promise<{image: Blob, width: number, height: number}>} what it shows now
 */
export function still(video) {
  return jpeg(video, video.videoWidth, video.videoHeight);
}

/**
 * Draw the one who is there before a picture is chosen.
 *
 * @param {string | URL} url of a vector drawing
 * @returns {Promise<{image: Blob, width: number, height: number}>}
 * @throws {NoPicture}
 */
export async function drawn(url) {
  const drawing = Object.assign(new Image(), { src: String(url) });
  await drawing.decode().catch((cause) => {
    throw new NoPicture("The drawing of this page cannot be shown.", { cause });
  });
  return jpeg(drawing, drawing.naturalWidth, drawing.naturalHeight);
}

async function jpeg(source, width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // where it can be seen through
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  const image = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  return { image, width, height };
}
