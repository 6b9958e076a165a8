/** The frame: nobody, a picture, what the camera sees, or the picture that speaks. */

import { still } from "./portrait_picture.js";

const NARROWEST = 0.66; // of the frame, width by height: taller pictures have room at their sides
const WIDEST = 1.8;

/** There is no camera, or this page may not use it. */
export class NoCamera extends Error {
  name = "NoCamera";
}

export class Frame {
  #element;
  #frame;
  #url = null;
  #stream = null;
  #openings = 0;

  /** @param {(id: string) => HTMLElement} element */
  constructor(element) {
    this.#element = element;
    this.#frame = element("frame");
    // Until its first picture is there, the one that it covers is to be seen.
    element("film").addEventListener("loadeddata", () => (element("film").hidden = false));
    element("film").addEventListener("emptied", () => (element("film").hidden = true));
  }

  /** @param {"empty" | "ready" | "drawing" | "camera"} state */
  set state(state) {
    this.#frame.dataset.state = state;
  }

  /** @param {{image: Blob, width: number, height: number}} picture */
  show({ image, width, height }) {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = URL.createObjectURL(image);
    const picture = this.#element("picture");
    picture.src = this.#url;
    picture.hidden = false;
    this.#frame.style.setProperty("--aspect", String(Math.min(WIDEST, Math.max(NARROWEST, width / height))));
    this.state = "ready";
  }

  /**
   * Show what the camera sees; to be called from a handler of a gesture.
   *
   * @returns {Promise<boolean>} false if it was left before it was there
   * @throws {NoCamera}
   */
  async openCamera() {
    const mine = (this.#openings += 1);
    const stream = await ask();
    if (mine !== this.#openings) {
      for (const track of stream.getTracks()) track.stop();
      return false;
    }
    this.#stream = stream;
    const finder = this.#element("viewfinder");
    finder.srcObject = stream;
    finder.hidden = false;
    await finder.play();
    this.state = "camera";
    return true;
  }

  /** @returns {Promise<{image: Blob, width: number, height: number}>} what the camera sees now */
  async takePicture() {
    const taken = await still(this.#element("viewfinder"));
    this.closeCamera();
    return taken;
  }

  closeCamera() {
    this.#openings += 1;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    const finder = this.#element("viewfinder");
    finder.srcObject = null;
    finder.hidden = true;
    this.state = this.#url ? "ready" : "empty";
  }
}

async function ask() {
  const { mediaDevices } = navigator;
  if (!mediaDevices) throw new NoCamera("Browsers give a camera only to pages of https and of localhost.");
  try {
    return await mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 960 } } });
  } catch (error) {
    throw new NoCamera(why(error), { cause: error });
  }
}

function why({ name, message }) {
  if (name === "NotAllowedError") return "The browser does not let this page use a camera.";
  if (name === "NotFoundError") return "There is no camera.";
  if (name === "NotReadableError") return "The camera is in use, or does not work.";
  return `The camera cannot be used: ${message}`;
}
