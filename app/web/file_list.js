/** The files that can be played, one at a time. */

import { clock, size } from "./words.js";

export class FileList {
  #list;
  #onPlay;
  #onStop;
  #playing = null; // the item of the file that plays

  /**
   * @param {HTMLElement} list
   * @param {(filename: string) => any} onPlay
   * @param {() => any} onStop
   */
  constructor(list, onPlay, onStop) {
    this.#list = list;
    this.#onPlay = onPlay;
    this.#onStop = onStop;
  }

  /** @param {import("../sdk/call.js").ListedFile[]} files */
  show(files) {
    if (files.length) this.#list.replaceChildren(...files.map((file) => this.#item(file)));
    else this.say("There are none. This server plays what lies in its AUDIO_FILES_DIR.");
  }

  /** Show words in the place of files. @param {string} words */
  say(words) {
    const item = document.createElement("li");
    item.className = "faint";
    item.textContent = words;
    this.#list.replaceChildren(item);
  }

  /** Show which file plays. @param {string | null} filename */
  play(filename) {
    this.#rest();
    this.#playing = [...this.#list.children].find((item) => item.dataset.filename === filename) ?? null;
    if (!this.#playing) return;
    this.#playing.dataset.playing = "";
    this.#name(this.#playing, "Stop");
    this.progress(0);
  }

  /** @param {number} seconds that it has sounded */
  progress(seconds) {
    if (this.#playing) this.#playing.querySelector(".facts").textContent = clock(seconds);
  }

  #rest() {
    if (!this.#playing) return;
    delete this.#playing.dataset.playing;
    this.#playing.querySelector(".facts").textContent = this.#playing.dataset.facts;
    this.#name(this.#playing, "Play");
  }

  #item({ filename, size_bytes: bytes }) {
    const item = document.createElement("li");
    item.dataset.filename = filename;
    item.dataset.facts = size(bytes);
    const name = part("span", "name", filename);
    name.dir = "auto";
    const button = part("button", "quiet");
    button.type = "button";
    button.addEventListener("click", () => ("playing" in item.dataset ? this.#onStop() : this.#onPlay(filename)));
    item.append(name, part("span", "facts", item.dataset.facts), button);
    this.#name(item, "Play");
    return item;
  }

  #name(item, word) {
    const button = item.querySelector("button");
    button.textContent = word;
    button.ariaLabel = `${word} ${item.dataset.filename}`;
  }
}

function part(tag, className, words = "") {
  return Object.assign(document.createElement(tag), { className, textContent: words });
}
