/**
 * Keeps the stream of snapshots open, and reports whether it is live.
 */
import { printable } from '../../common/format.js';

/** The server sends a snapshot at least every four seconds. */
const QUIET_MS = 10_000;
const RETRY_MS = { lost: 1000, answered: 5000 };
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
 *   onTransitions: (transitions: import('./status.d.ts').Transition[], areAll: boolean) => void,
 *   onChange: (state: ConnectionState, reason?: string) => void,
 * }} ConnectionListener `areAll`: earlier transitions are among them. `reason`: the server's own words
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
      () => this.#ended(signal),
      (error) => this.#ended(signal, error instanceof Answered ? error : undefined),
    );
  }

  /** @param {AbortSignal} signal */
  async #read(signal) {
    const late = setTimeout(() => this.#listener.onChange('waiting'), ANSWER_MS);
    signal.addEventListener('abort', () => clearTimeout(late));
    const headers = { Accept: 'text/event-stream' };
    const response = await this.#client.request('events', { headers, signal });
    clearTimeout(late);
    if (!response.ok || !response.body) {
      throw new Answered(response.status, await response.text());
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    let areAll = true;
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      const events = (rest + value).split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) if (this.#receive(event, areAll)) areAll = false;
    }
  }

  /**
   * True for transitions. The first ones of a stream are all that the server has.
   *
   * @param {string} event
   * @param {boolean} areAll
   */
  #receive(event, areAll) {
    const fields = new Map(
      event.split('\n').map((line) => {
        const colon = line.indexOf(': ');
        return [line.slice(0, colon), line.slice(colon + 2)];
      }),
    );
    const data = fields.get('data');
    if (data === undefined) return false;
    const content = JSON.parse(data, printableText);
    this.#openAgainIn(QUIET_MS);
    if (fields.get('event') === 'transitions') {
      this.#listener.onTransitions(content, areAll);
      return true;
    }
    this.#listener.onChange('live');
    this.#listener.onSnapshot(content);
    return false;
  }

  /**
   * @param {AbortSignal} signal
   * @param {Answered} [answered]
   */
  #ended(signal, answered) {
    if (signal.aborted) return;
    clearTimeout(this.#timer);
    this.#stream.abort();
    if (answered?.status === 401) return this.#listener.onChange('refused');
    this.#listener.onChange('lost', answered?.message);
    this.#openAgainIn(answered ? RETRY_MS.answered : RETRY_MS.lost);
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

/** The server answered, but not with a stream. */
class Answered extends Error {
  /** @type {number} */
  status;

  /**
   * @param {number} status
   * @param {string} text whose first line is the reason
   */
  constructor(status, text) {
    super(printable(text.split('\n')[0] ?? ''));
    this.status = status;
  }
}

/**
 * For JSON.parse().
 *
 * @param {string} _name
 * @param {unknown} value
 */
export function printableText(_name, value) {
  return typeof value === 'string' ? printable(value) : value;
}
