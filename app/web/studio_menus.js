/** The menus from which model, voice, language and styles are chosen. */

import { languageName } from "./words.js";

const OFTEN = 5; // languages that the server puts first

export class StudioMenus {
  #element;
  #models = [];
  #voices = [];
  #onModel;

  /** @param {(id: string) => HTMLElement} element @param {(model: Record<string, any>) => void} onModel told the choice */
  constructor(element, onModel) {
    this.#element = element;
    this.#onModel = onModel;
    element("model").addEventListener("change", () => this.#showModel());
  }

  /** @param {Record<string, any>[]} models @param {Record<string, any>[]} voices */
  fill(models, voices) {
    this.#models = models;
    this.#voices = voices;
    this.#element("model").replaceChildren(...models.map(({ name, displayname }) => new Option(displayname, name)));
    this.#showModel();
  }

  /** @returns {Record<string, any>} */
  get model() {
    return this.#models.find(({ name }) => name === this.#element("model").value);
  }

  /** @returns {string} id of the voice */
  get voiceId() {
    return this.#element("voice").value;
  }

  /** What else is chosen, for a take. */
  get choices() {
    const styles = [...this.#element("styles").querySelectorAll("select")].map(({ value }) => value).filter(Boolean);
    return {
      overrideLanguage: this.#element("language").value || undefined,
      style: styles.length ? styles : undefined,
    };
  }

  /** @param {Record<string, any>} voice that has been made, to be chosen */
  add(voice) {
    this.#voices = [voice, ...this.#voices.filter(({ voice_id: id }) => id !== voice.voice_id)];
    if (this.model.name !== voice.model) this.#element("model").value = voice.model;
    this.#showModel();
    this.#element("voice").value = voice.voice_id;
  }

  /** @param {string} id of a voice @returns {string} its name */
  nameOf(id) {
    return this.#voices.find(({ voice_id }) => voice_id === id)?.name ?? id;
  }

  #showModel() {
    const { model } = this;
    if (!model) return;
    const fitting = this.#voices.filter((voice) => voice.model === model.name && voice.status === "ready");
    const chosen = this.voiceId;
    this.#element("voice").replaceChildren(...fitting.map(({ name, voice_id: id }) => new Option(name, id)));
    if (fitting.some(({ voice_id: id }) => id === chosen)) this.#element("voice").value = chosen;
    this.#showLanguages(model.languages);
    this.#element("styles").replaceChildren(...model.styles.map(styleMenu));
    this.#onModel(model);
  }

  #showLanguages(languages) {
    const menu = this.#element("language");
    const chosen = menu.value;
    const options = languages.map((tag) => new Option(languageName(tag), tag));
    const others = options.slice(OFTEN).sort((a, b) => a.text.localeCompare(b.text));
    menu.replaceChildren(new Option("By the text", ""), ...options.slice(0, OFTEN), ...others);
    menu.value = languages.includes(chosen) ? chosen : "";
  }
}

function styleMenu(styles, n) {
  const row = document.createElement("p");
  const label = Object.assign(document.createElement("label"), { htmlFor: `style-${n}`, textContent: "Style" });
  if (n) label.textContent += ` ${n + 1}`;
  const menu = Object.assign(document.createElement("select"), { id: `style-${n}` });
  menu.append(new Option("The voice's own", ""), ...styles.map((style) => new Option(style, style)));
  row.append(label, menu);
  return row;
}
