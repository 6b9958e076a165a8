/** Shows what plays, and what was heard before. */

import { clock, percent } from "./words.js";

export class TrackView {
  #element;
  #match = null; // of what is shown
  #from = 0; // seconds in the track at which it was heard first
  #since = 0; // seconds since 1970

  /** @param {(id: string) => HTMLElement} element */
  constructor(element) {
    this.#element = element;
    const image = element("thumbnail");
    image.addEventListener("load", () => (image.hidden = false));
    image.addEventListener("error", () => (image.hidden = true));
  }

  /** Say how it is while nothing is known. @param {"idle" | "listening"} state @param {string} words */
  wait(state, words) {
    this.#recall();
    this.#element("now").dataset.state = state;
    this.#say(words);
  }

  /** What is shown plays no longer. */
  stop() {
    if (!this.#match) return;
    this.#element("now").dataset.state = "stopped";
    this.#say("It stopped. Listening on.");
  }

  /** @param {import("../sdk/stream.js").Matched} matched */
  show({ matches: [match], timestamp }) {
    const now = this.#element("now");
    const isNew = match.video_id !== this.#match?.video_id || now.dataset.state === "stopped";
    if (isNew) this.#begin(match, timestamp);
    this.#match = match;
    now.dataset.state = "playing";
    this.#element("track-place").textContent = `At ${clock(match.end_time)} in the track`;
    this.#element("confidence").value = match.confidence;
    this.#element("confidence-words").textContent = `${percent(match.confidence)} sure`;
  }

  #begin(match, timestamp) {
    this.#recall();
    this.#from = match.start_time;
    this.#since = timestamp;
    this.#element("track").hidden = false;
    this.#element("now").dataset.videoId = match.video_id;
    this.#element("track-title").replaceChildren(titleOf(match));
    const image = this.#element("thumbnail");
    image.hidden = true;
    image.removeAttribute("src");
    const address = webAddress(match.thumbnail_url);
    if (address) image.src = address;
    this.#say(`It is ${nameOf(match)}.`);
  }

  /** Move what was shown to what was heard before. */
  #recall() {
    const match = this.#match;
    this.#match = null;
    this.#element("track").hidden = true;
    this.#element("now").removeAttribute("data-video-id");
    if (!match) return;
    const item = document.createElement("li");
    const when = document.createElement("time");
    const date = new Date(this.#since * 1000);
    when.dateTime = date.toISOString();
    when.textContent = date.toLocaleTimeString("en-GB");
    item.append(when, words("words", titleOf(match)), words("place", `${clock(this.#from)} – ${clock(match.end_time)}`));
    this.#element("heard").prepend(item);
    this.#element("history").hidden = false;
  }

  #say(words) {
    const hint = this.#element("hint");
    // Writing the same words again would have them read out again.
    if (hint.textContent !== words) hint.textContent = words;
  }
}

const nameOf = ({ title, video_id: id }) => title || id;

function titleOf(match) {
  const address = webAddress(match.url);
  if (!address) return document.createTextNode(nameOf(match));
  const link = document.createElement("a");
  link.href = address;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  link.textContent = nameOf(match);
  return link;
}

/** What a catalogue has as an address is shown only if it is one of the web: others may be scripts. */
function webAddress(address) {
  return address && URL.canParse(address) && ["http:", "https:"].includes(new URL(address).protocol) ? address : null;
}

function words(className, content) {
  const element = document.createElement("span");
  element.className = className;
  element.append(content);
  return element;
}
