/** The sliders with which prosody is chosen. */

const KINDS = {
  simple: ["pitch", "pace", "expression"],
  affect: ["pitch", "pace", "valence", "dominance", "arousal"],
  signal: ["pitch", "pace", "tilt", "pitch_range"],
};
const ENDS = {
  pitch: ["low", "high"],
  pace: ["slow", "fast"],
  expression: ["monotone", "lively"],
  valence: ["negative", "positive"],
  dominance: ["docile", "commanding"],
  arousal: ["calm", "excited"],
  tilt: ["dull", "bright"],
  pitch_range: ["flat", "varied"],
};
const KIND_WORDS = { simple: "Simple", affect: "By the feeling", signal: "By the sound" };

export class ProsodySliders {
  #fieldset;
  #kind;
  #values = {};

  /** @param {HTMLFieldSetElement} fieldset with its legend in it */
  constructor(fieldset) {
    this.#fieldset = fieldset;
    this.#kind = document.createElement("select");
    this.#kind.id = `${fieldset.id}-kind`;
    this.#kind.addEventListener("change", () => this.#showSliders());
    const row = document.createElement("p");
    row.append(labelFor(this.#kind.id, "Kind"), this.#kind);
    fieldset.append(row);
  }

  /** @param {string[]} kinds those that the model knows */
  offer(kinds) {
    const known = kinds.filter((kind) => kind in KINDS);
    const chosen = this.#kind.value;
    this.#kind.replaceChildren(...known.map((kind) => new Option(KIND_WORDS[kind], kind)));
    this.#kind.value = known.includes(chosen) ? chosen : (known[0] ?? "");
    this.#showSliders();
  }

  /** What is chosen; undefined if all stand at 0. @type {Record<string, number> | undefined} */
  get value() {
    const names = KINDS[this.#kind.value] ?? [];
    if (!names.some((name) => this.#values[name])) return undefined;
    return Object.fromEntries(names.map((name) => [name, this.#values[name] ?? 0]));
  }

  #showSliders() {
    for (const slider of this.#fieldset.querySelectorAll(".slider")) slider.remove();
    this.#fieldset.append(...(KINDS[this.#kind.value] ?? []).map((name) => this.#slider(name)));
  }

  #slider(name) {
    const input = document.createElement("input");
    Object.assign(input, { id: `${this.#fieldset.id}-${name}`, type: "range", min: -10, max: 10, step: 1 });
    input.value = this.#values[name] ?? 0;
    const output = document.createElement("output");
    output.htmlFor = input.id;
    const show = () => {
      this.#values[name] = Number(input.value);
      output.textContent = signed(this.#values[name]);
    };
    input.addEventListener("input", show);
    show();
    const ends = document.createElement("span");
    ends.className = "ends";
    ends.setAttribute("aria-hidden", "true");
    ends.append(...ENDS[name].map((words) => Object.assign(document.createElement("span"), { textContent: words })));
    const slider = document.createElement("p");
    slider.className = "slider";
    const words = name.replace("_", " ");
    slider.append(labelFor(input.id, words[0].toUpperCase() + words.slice(1)), output, input, ends);
    return slider;
  }
}

function labelFor(id, words) {
  return Object.assign(document.createElement("label"), { htmlFor: id, textContent: words });
}

const signed = (number) => (number > 0 ? `+${number}` : String(number).replace("-", "\u2212"));
