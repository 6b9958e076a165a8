/** The two menus from which a voice is chosen. */

import { languageName } from "./words.js";

const OFTEN = ["zh-CN", "en-US", "en-GB", "ja", "ko"];

export class VoiceMenus {
  #voices = [];

  /** @param {HTMLSelectElement} language @param {HTMLSelectElement} voice */
  constructor(language, voice) {
    this.language = language;
    this.voice = voice;
    language.addEventListener("change", () => this.#fillVoices());
    this.#fillVoices();
  }

  /** @param {import("../sdk/danmu.js").Voice[]} voices */
  fill(voices) {
    this.#voices = voices;
    const tags = [...new Set(voices.map(({ language }) => language))];
    const often = OFTEN.filter((tag) => tags.includes(tag));
    const others = tags.filter((tag) => !often.includes(tag)).sort((a, b) => languageName(a).localeCompare(languageName(b)));
    const chosen = this.language.value;
    this.language.replaceChildren(new Option("By the text", ""));
    for (const [label, group] of [["Often used", often], ["All others", others]]) {
      if (group.length) this.language.append(optionGroup(label, group.map((tag) => new Option(languageName(tag), tag))));
    }
    this.language.value = tags.includes(chosen) ? chosen : "";
    this.#fillVoices();
  }

  /** @param {string} id of a voice */
  choose(id) {
    const voice = this.#voices.find((candidate) => candidate.id === id);
    if (!voice) return;
    this.language.value = voice.language;
    this.#fillVoices();
    this.voice.value = id;
  }

  /** @param {string} id of a voice @returns {string} its name */
  nameOf(id) {
    return this.#voices.find((voice) => voice.id === id)?.name ?? id;
  }

  #fillVoices() {
    const fitting = this.#voices.filter(({ language }) => language === this.language.value);
    this.voice.disabled = !fitting.length;
    const options = fitting.map(({ id, name }) => new Option(name, id));
    this.voice.replaceChildren(...(options.length ? options : [new Option("By the text", "")]));
  }
}

function optionGroup(label, options) {
  const group = document.createElement("optgroup");
  group.label = label;
  group.append(...options);
  return group;
}
