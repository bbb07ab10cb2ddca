/**
 * The stream of snapshots: opens it, opens it again, and tells when it went quiet. Knows no element
 * of the page.
 */

import { printable } from '../../common/format.js';

/** The server gives a sign of life every few seconds. */
const QUIET_MS = 10_000;
const RETRY_MS = 2000;

export class Connection {
  /** @type {URL} */
  #url;
  /** @type {(snapshot: import('./snapshot.d.ts').Snapshot) => void} */
  #onSnapshot;
  /** @type {(isLive: boolean) => void} */
  #onChange;
  /** @type {EventSource | undefined} */
  #source;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {URL} url
   * @param {(snapshot: import('./snapshot.d.ts').Snapshot) => void} onSnapshot
   * @param {(isLive: boolean) => void} onChange
   */
  constructor(url, onSnapshot, onChange) {
    this.#url = url;
    this.#onSnapshot = onSnapshot;
    this.#onChange = onChange;
    this.#open();
    // What was on its way when the tab was put to sleep says nothing about now.
    addEventListener('online', () => this.#open());
  }

  #open() {
    this.#source?.close();
    const source = new EventSource(this.#url);
    this.#source = source;
    this.#openAgainIn(QUIET_MS);
    source.addEventListener('message', ({ data }) => {
      this.#openAgainIn(QUIET_MS);
      this.#onChange(true);
      this.#onSnapshot(
        JSON.parse(data, (_name, value) => (typeof value === 'string' ? printable(value) : value)),
      );
    });
    source.addEventListener('error', () => {
      this.#onChange(false);
      // The browser gives up for good on an answer that is no stream, such as 401 or 503.
      this.#openAgainIn(source.readyState === EventSource.CLOSED ? RETRY_MS : QUIET_MS);
    });
  }

  /** @param {number} ms */
  #openAgainIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#onChange(false);
      this.#open();
    }, ms);
  }
}
