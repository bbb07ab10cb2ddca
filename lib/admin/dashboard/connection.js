/**
 * Keeps the stream of snapshots open, and reports whether it is live.
 */
import { printable } from '../../common/format.js';

/** The server sends a snapshot at least every four seconds. */
const QUIET_MS = 10_000;
const RETRY_MS = 1000;
/** A server answers sooner, unless the request has not left the browser. */
const ANSWER_MS = 1000;

/**
 * `waiting`: no answer yet. `live`: snapshots arrive. `refused`: the token is missing or wrong. `lost`: none
 * of these.
 *
 * @typedef {'connecting' | 'waiting' | 'live' | 'refused' | 'lost'} ConnectionState
 */

/**
 * @typedef {{
 *   onSnapshot: (snapshot: import('./status.d.ts').Snapshot) => void,
 *   onTransitions: (transitions: import('./status.d.ts').Transition[]) => void,
 *   onChange: (state: ConnectionState) => void,
 * }} ConnectionListener
 */

export class Connection {
  /** @type {import('./client.js').AdminClient} */
  #client;
  /** @type {ConnectionListener} */
  #listener;
  #stream = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {import('./client.js').AdminClient} client
   * @param {ConnectionListener} listener
   */
  constructor(client, listener) {
    this.#client = client;
    this.#listener = listener;
    this.open();
    // After the device slept, the old connection may be dead without an error.
    addEventListener('online', () => this.open());
  }

  open() {
    this.#stream.abort();
    this.#stream = new AbortController();
    const { signal } = this.#stream;
    this.#openAgainIn(QUIET_MS);
    this.#read(signal).then(
      () => this.#ended(signal, 'lost'),
      (error) => this.#ended(signal, error instanceof Refused ? 'refused' : 'lost'),
    );
  }

  /** @param {AbortSignal} signal */
  async #read(signal) {
    const late = setTimeout(() => this.#listener.onChange('waiting'), ANSWER_MS);
    signal.addEventListener('abort', () => clearTimeout(late));
    const headers = { Accept: 'text/event-stream' };
    const response = await this.#client.request('events', { headers, signal });
    clearTimeout(late);
    if (response.status === 401) throw new Refused();
    if (!response.ok || !response.body) throw new Error(`Answered ${response.status}.`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      const events = (rest + value).split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) this.#receive(event);
    }
  }

  /** @param {string} event */
  #receive(event) {
    const fields = new Map(
      event.split('\n').map((line) => {
        const colon = line.indexOf(': ');
        return [line.slice(0, colon), line.slice(colon + 2)];
      }),
    );
    const data = fields.get('data');
    if (data === undefined) return;
    const content = JSON.parse(data, printableText);
    this.#openAgainIn(QUIET_MS);
    if (fields.get('event') === 'transitions') return this.#listener.onTransitions(content);
    this.#listener.onChange('live');
    this.#listener.onSnapshot(content);
  }

  /**
   * @param {AbortSignal} signal
   * @param {ConnectionState} state
   */
  #ended(signal, state) {
    if (signal.aborted) return;
    clearTimeout(this.#timer);
    this.#stream.abort();
    this.#listener.onChange(state);
    if (state === 'lost') this.#openAgainIn(RETRY_MS);
  }

  /** @param {number} ms */
  #openAgainIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#listener.onChange('lost');
      this.open();
    }, ms);
  }
}

class Refused extends Error {}

/**
 * For JSON.parse().
 *
 * @param {string} _name
 * @param {unknown} value
 */
export function printableText(_name, value) {
  return typeof value === 'string' ? printable(value) : value;
}
