/** A store of your own: it keeps the shared state in the server of `store-server.mjs`. */
import { setTimeout } from 'node:timers/promises';

const RECONNECT_MS = 500;

export class HttpStore {
  #url;
  #closed = new AbortController();

  constructor(url) {
    this.#url = url;
  }

  async load() {
    return new Map(await this.#call('load'));
  }

  async publish(app, { withinMs, ...publication }) {
    const until = await this.#deadline(withinMs);
    return await this.#call('publish', { app, publication, until });
  }

  async report(report, ttlMs, withinMs) {
    const until = await this.#deadline(withinMs);
    await this.#call('report', { report, ttlMs, until });
  }

  async reports() {
    return await this.#call('reports');
  }

  async subscribe(listener) {
    const unsubscribed = new AbortController();
    const signal = AbortSignal.any([unsubscribed.signal, this.#closed.signal]);
    // The server has subscribed when its response begins, so no later change is missed.
    void this.#listen(await this.#connect(signal), listener, signal);
    return async () => unsubscribed.abort();
  }

  async close() {
    this.#closed.abort();
  }

  /**
   * The last moment at which a write may take effect, by the clock of the server. The time that this call
   * takes counts: if the server was frozen meanwhile, the deadline has passed.
   */
  async #deadline(withinMs) {
    const start = performance.now();
    const now = await this.#call('now');
    return now + withinMs - (performance.now() - start);
  }

  async #call(name, parameters = {}) {
    const res = await fetch(new URL(name, this.#url), {
      method: 'POST',
      body: JSON.stringify(parameters),
      signal: this.#closed.signal,
    });
    if (!res.ok) throw new Error(`The store answered ${res.status}: ${await res.text()}`);
    return await res.json();
  }

  async #connect(signal) {
    const res = await fetch(new URL('changes', this.#url), { signal });
    if (!res.ok) throw new Error(`The store answered ${res.status}.`);
    return res.body.pipeThrough(new TextDecoderStream());
  }

  /**
   * Reads one change a line. It does not matter that changes are missed while it reconnects, because antract
   * calls load() every two seconds.
   */
  async #listen(changes, listener, signal) {
    while (!signal.aborted) {
      try {
        changes ??= await this.#connect(signal);
        let rest = '';
        for await (const text of changes) {
          const lines = (rest + text).split('\n');
          rest = lines.pop();
          for (const line of lines) notify(listener, JSON.parse(line));
        }
      } catch {
        // The connection has ended, or close() was called.
      }
      changes = undefined;
      await setTimeout(RECONNECT_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}

function notify(listener, { app, state, report }) {
  if (report) listener.report?.(report);
  else listener.state(app, state);
}
