/**
 * The credential of one client of the speak API, renewed when the server no longer takes it.
 *
 * @module
 */

import { RequestFailed } from "./calls.js";
import { NotConnected } from "./connection.js";
import { BrokenReply } from "./speak_frames.js";

/**
 * @typedef {object} Credentials
 * @property {string} [email] together with
 * @property {string} [password] or instead of both
 * @property {string} [token] access token, permanent token or API key; with or without
 * @property {string} [refreshToken] which gets the next access token
 */

/**
 * Make the error of a response that is no success.
 *
 * @param {Response} response whose body has not been read
 * @returns {Promise<RequestFailed>} `code` is the status; `details` has `detail`, `field` and `retry_after`, as far as told
 */
export async function httpFailure(response) {
  const told = await response.json().catch(() => null);
  const detail = told?.detail ?? null;
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  const details = { status: response.status, detail, field: place(detail?.[0]) ?? told?.field ?? null };
  if (Number.isFinite(seconds)) details.retry_after = seconds;
  return new RequestFailed(String(response.status), words(detail) || response.statusText, details);
}

function words(detail) {
  if (!Array.isArray(detail)) return typeof detail === "string" ? detail : "";
  return detail.map((item) => [place(item), item?.msg ?? String(item)].filter(Boolean).join(": ")).join("; ");
}

function place(item) {
  return Array.isArray(item?.loc) ? item.loc.filter((step) => step !== "body").join(".") || null : null;
}

/** Holds the token. One renewal at a time: servers give each refresh token once, and take its second use for theft. */
export class Tokens {
  #fetch;
  #url;
  #credentials;
  #onTokens;
  #renewal = null;

  /**
   * @param {typeof fetch} fetch
   * @param {URL} url of the routes `login`, `refresh` and `logout`, with a slash at its end
   * @param {Credentials} credentials to begin with
   * @param {(token: string | null, refreshToken: string | null) => void} [onTokens] told of every change
   */
  constructor(fetch, url, credentials, onTokens) {
    this.#fetch = fetch;
    this.#url = url;
    this.#credentials = { ...credentials };
    this.#onTokens = onTokens;
  }

  /**
   * @returns {Promise<string | undefined>} the token, got first if there is none; undefined if there is nothing to get it
   *   with
   */
  async current() {
    if (!this.#credentials.token && this.#canRenew) await this.#renewOnce();
    return this.#credentials.token;
  }

  /**
   * Get another token in the place of one that was refused.
   *
   * @param {string | undefined} stale
   * @returns {Promise<boolean>} whether there is one
   */
  async renew(stale) {
    if (this.#credentials.token !== stale) return true; // somebody else has renewed it meanwhile
    if (!this.#canRenew) return false;
    await this.#renewOnce();
    return true;
  }

  /** Give the session up. The next request signs in again, if there is a password. */
  async signOut() {
    const { refreshToken } = this.#credentials;
    this.#keep(undefined, undefined);
    if (refreshToken) await this.#post("logout", { refresh_token: refreshToken });
  }

  get #canRenew() {
    const { email, password, refreshToken } = this.#credentials;
    return Boolean(refreshToken || (email && password));
  }

  #renewOnce() {
    this.#renewal ??= this.#renew().finally(() => (this.#renewal = null));
    return this.#renewal;
  }

  async #renew() {
    const { email, password, refreshToken } = this.#credentials;
    if (refreshToken && (await this.#refresh())) return;
    if (!email || !password) {
      throw new RequestFailed("401", "the token has expired and cannot be renewed", { status: 401 });
    }
    this.#take(await this.#post("login", { email, password }));
  }

  async #refresh() {
    const { email, token, refreshToken } = this.#credentials;
    try {
      this.#take(await this.#post("refresh", { email, refresh_token: refreshToken }, token));
      return true;
    } catch (error) {
      const { status } = error.details ?? {};
      if (!status || status === 429 || status >= 500) throw error; // it may be taken later
      this.#keep(undefined, undefined);
      return false;
    }
  }

  #take({ access_token: token, refresh_token: refreshToken }) {
    if (!token || !refreshToken) throw new BrokenReply("the server signed in without giving tokens");
    this.#keep(token, refreshToken);
  }

  #keep(token, refreshToken) {
    Object.assign(this.#credentials, { token, refreshToken });
    this.#onTokens?.(token ?? null, refreshToken ?? null);
  }

  async #post(route, body, token) {
    const headers = { "Content-Type": "application/json" };
    if (token) headers.Authorization = `Bearer ${token}`;
    let response;
    try {
      response = await this.#fetch(new URL(route, this.#url), { method: "POST", headers, body: JSON.stringify(body) });
    } catch (error) {
      throw new NotConnected(`cannot reach ${this.#url}: ${error.message}`);
    }
    if (!response.ok) throw await httpFailure(response);
    return response.json().catch(() => ({})); // signing out has nothing to say
  }
}
