/**
 * Sends requests to the admin endpoints, with the token that the operator has entered.
 *
 * A browser opens six connections to a host over HTTP/1.1. Pages of a paused site can use up all of them.
 * Requests without credentials have connections of their own, so the page uses those if it can.
 */
const TOKEN = 'antract-token';

/** @typedef {Omit<RequestInit, 'headers'> & { headers?: Record<string, string> }} Init */

export class AdminClient {
  /** @type {URL} */
  #base;
  /** Whether the server gave this page without a token, and wants one for everything else. */
  #wantsToken;
  /** @type {RequestCredentials} */
  #credentials = 'omit';

  /**
   * @param {URL} base
   * @param {boolean} wantsToken
   */
  constructor(base, wantsToken) {
    this.#base = base;
    this.#wantsToken = wantsToken;
  }

  /** Until the tab is closed. @param {string} token */
  set token(token) {
    sessionStorage.setItem(TOKEN, token);
  }

  get hasToken() {
    return sessionStorage.getItem(TOKEN) !== null;
  }

  /**
   * @param {string} path of an endpoint
   * @param {Init} [init]
   */
  async request(path, init) {
    const response = await this.#send(path, init);
    if (this.#credentials !== 'omit' || !this.#lacksCredentials(response)) return response;
    // The server's own rule, or a proxy in front, may want the cookies or the password of this site.
    this.#credentials = 'same-origin';
    return this.#send(path, init);
  }

  /** @param {Response} response */
  #lacksCredentials({ status, type }) {
    // With a wrong token, the browser would ask for a password.
    return status === 403 || type === 'opaqueredirect' || (status === 401 && !this.#wantsToken);
  }

  /**
   * @param {string} path
   * @param {Init} [init]
   */
  #send(path, init) {
    const token = sessionStorage.getItem(TOKEN);
    return fetch(new URL(path, this.#base), {
      ...init,
      headers: {
        Accept: 'application/json',
        'X-Antract-By': 'dashboard',
        ...(token !== null && { Authorization: `Bearer ${token}` }),
        ...init?.headers,
      },
      credentials: this.#credentials,
      redirect: 'manual',
      cache: 'no-store',
    });
  }
}
