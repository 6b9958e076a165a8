/** Who uses the page: signs in, keeps the tokens while the tab is open, takes a key from the address. */

import { SpeakClient } from "../sdk/speak.js";

const KEPT = "chorus-speak-tokens";

export class SignIn {
  /** @type {SpeakClient | null} */
  client = null;

  #element;
  #onClient;

  /** @param {(id: string) => HTMLElement} element @param {(client: SpeakClient) => any} onClient told who may ask now */
  constructor(element, onClient) {
    this.#element = element;
    this.#onClient = onClient;
    element("sign-in").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    element("sign-out").addEventListener("click", async () => {
      await this.client?.signOut().catch(() => {}); // what cannot be reached cannot be told
      sessionStorage.removeItem(KEPT);
      location.assign(location.pathname);
    });
  }

  /** Go on with what is kept, or ask. */
  begin() {
    const key = new URLSearchParams(location.hash.slice(1)).get("token");
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    if (key) this.#use(new SpeakClient(undefined, { token: key }));
    else if (kept) this.#use(new SpeakClient(undefined, { ...kept, onTokens: keep }));
    else this.ask(null);
  }

  /** @param {string | null} words why it is asked for */
  ask(words) {
    this.#element("sign-in").hidden = false;
    this.#element("sign-out").hidden = true;
    this.#tell(words);
  }

  async #submit() {
    const [email, password] = ["email", "password"].map((id) => this.#element(id).value);
    const client = new SpeakClient(undefined, { email, password, onTokens: keep });
    try {
      await client.signIn();
    } catch (error) {
      this.#tell(error.message);
      return;
    }
    this.#element("password").value = "";
    this.#use(client);
  }

  #use(client) {
    this.client = client;
    this.#element("sign-in").hidden = true;
    this.#element("sign-out").hidden = false;
    this.#onClient(client);
  }

  #tell(words) {
    this.#element("sign-in-error").hidden = !words;
    this.#element("sign-in-error").textContent = words ?? "";
  }
}

function keep(token, refreshToken) {
  if (token) sessionStorage.setItem(KEPT, JSON.stringify({ token, refreshToken }));
  else sessionStorage.removeItem(KEPT);
}
