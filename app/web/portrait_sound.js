/** The sound that a picture is to speak: a file, or what the microphone records. */

import { Recorder } from "../sdk/portrait_recorder.js";
import { LevelMeter } from "./level_meter.js";
import { clock, size } from "./words.js";

export class SoundChoice {
  /** What is to be spoken. @type {File | null} */
  file = null;

  #element;
  #meter;
  #recorder = null;
  #url = null;
  #asked = 0;

  /** @param {(id: string) => HTMLElement} element @param {(error: Error) => void} tell */
  constructor(element, tell) {
    this.#element = element;
    this.#meter = new LevelMeter(element("level"));
    element("record").addEventListener("click", () => (this.isRecording ? this.stop() : this.#record().catch(tell)));
    element("sound-file").addEventListener("change", () => {
      const [file] = element("sound-file").files;
      if (file) this.take(file);
      element("sound-file").value = ""; // so that the same one can be chosen again
    });
  }

  get isRecording() {
    return this.#recorder !== null;
  }

  /** @param {File} file */
  take(file) {
    this.stop();
    this.file = file;
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = URL.createObjectURL(file);
    this.#element("sound").src = this.#url;
    this.#element("sound").hidden = false;
    this.#say(`${file.name}, ${size(file.size)}`);
  }

  /** End the recording, if there is one, and take it. */
  stop() {
    this.#asked += 1;
    const recorder = this.#recorder;
    this.#recorder = null;
    this.#show(false);
    if (recorder?.seconds) this.take(recorder.stop());
    else recorder?.stop();
  }

  async #record() {
    const mine = (this.#asked += 1);
    const recorder = await Recorder.open();
    if (mine !== this.#asked) {
      recorder.stop();
      return;
    }
    this.#recorder = recorder;
    this.#element("sound").pause();
    this.#element("sound").hidden = true;
    this.#meter.clear();
    this.#show(true);
    this.#say("Recording");
    recorder.addEventListener("level", ({ detail }) => {
      if (recorder !== this.#recorder) return;
      this.#meter.show(detail);
      this.#element("record").textContent = `Stop at ${clock(detail.seconds)}`;
    });
    recorder.addEventListener("end", () => recorder === this.#recorder && this.stop());
  }

  #show(isRecording) {
    this.#element("record").ariaPressed = String(isRecording);
    this.#element("record").textContent = isRecording ? "Stop" : "Record";
    this.#element("level").hidden = !isRecording;
  }

  #say(words) {
    this.#element("sound-name").textContent = words;
  }
}
