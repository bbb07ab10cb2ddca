/**
 * Keeps the stream of snapshots open, and reports when the connection is lost.
 */

import { printable } from '../../common/format.js';

/** The server sends a snapshot at least every four seconds. */
const QUIET_MS = 10_000;
const RETRY_MS = 2000;

export class Connection {
  /** @type {URL} */
  #url;
  /** @type {(snapshot: import('./status.d.ts').Snapshot) => void} */
  #onSnapshot;
  /** @type {(isLive: boolean) => void} */
  #onChange;
  /** @type {EventSource | undefined} */
  #source;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {URL} url
   * @param {(snapshot: import('./status.d.ts').Snapshot) => void} onSnapshot
   * @param {(isLive: boolean) => void} onChange
   */
  constructor(url, onSnapshot, onChange) {
    this.#url = url;
    this.#onSnapshot = onSnapshot;
    this.#onChange = onChange;
    this.#open();
    // After the device slept, the old connection may be dead without an error.
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
      // The browser does not retry after a response that is no stream, such as 401 or 503.
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
