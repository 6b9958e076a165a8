/** The column that tells how the server is doing. It asks over REST, which does not count as requests of `/ws`. */

import { queueWords, span } from "./words.js";

const EVERY_SECONDS = 3;

export class Status {
  /** Where this page's own request stands; null while none waits. @type {{position: number, wait: number | null} | null} */
  own = null;

  #element;
  #token;
  #onRefused;
  #timer;
  #queued = 0;

  /**
   * @param {(id: string) => HTMLElement} element
   * @param {string | null} token
   * @param {() => void} onRefused told when the server wants another token; it is asked no more
   */
  constructor(element, token, onRefused) {
    this.#element = element;
    this.#token = token;
    this.#onRefused = onRefused;
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
    this.#timer = setInterval(() => document.hidden || this.refresh(), EVERY_SECONDS * 1000);
    this.refresh();
  }

  async refresh() {
    const [backends, stats] = await Promise.all([this.#get("backends"), this.#get("stats")]);
    if (backends) this.#showBackends(backends);
    if (stats) this.#showStats(stats);
  }

  showQueue() {
    const { position = 0, wait = null } = this.own ?? {};
    this.#say("queue", queueWords(Math.max(this.#queued, position), position, wait));
  }

  async #get(path) {
    const headers = this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
    try {
      const response = await fetch(new URL(`../${path}`, import.meta.url), { headers });
      if (response.status === 401) {
        clearInterval(this.#timer);
        this.#onRefused();
      }
      return response.ok ? await response.json() : null;
    } catch {
      return null; // the server is away, as the state of the connection says already
    }
  }

  #showBackends(backends) {
    this.#queued = backends.reduce((sum, { queue_size: size }) => sum + size, 0);
    this.#element("engines").replaceChildren(...backends.map(backendItem));
    this.showQueue();
  }

  #showStats(stats) {
    this.#say("uptime", span(Math.max(1, stats.uptime)));
    this.#say("spoken", stats.total_requests.toLocaleString("en"));
    this.#say("cached", `${Math.round(stats.cache_hit_rate)} %`);
    this.#say("connected", stats.active_connections.toLocaleString("en"));
  }

  #say(id, words) {
    const element = this.#element(id);
    // Writing the same words again would have them read out again.
    if (element.textContent !== words) element.textContent = words;
  }
}

function backendItem({ name, available, reason, load, average_processing_time: average }) {
  const item = document.createElement("li");
  item.dataset.state = available ? "ready" : "down";
  const state = available ? (load > 0 ? `${Math.round(load * 100)} % busy` : "ready") : "unavailable";
  const detail = available ? average != null && `${span(average)} a line on average` : reason;
  item.append(part("dot"), part("name", name), part("faint", state));
  if (detail) item.append(part("detail", detail));
  return item;
}

function part(className, words = "") {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = words;
  return element;
}
