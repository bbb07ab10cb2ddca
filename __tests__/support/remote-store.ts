/** Stores that live in other processes: of a cluster, or of their own. What they run is dist. */
import { fork, type ChildProcess } from 'node:child_process';
import cluster from 'node:cluster';
import path from 'node:path';
import type {
  Publication,
  PublishResult,
  Store,
  StoredState,
  StoredReport,
  StoreListener,
} from '../../lib/stores/store.ts';
import { killProcess } from './server-process.ts';

const SCRIPT = path.join(import.meta.dirname, 'remote-store.mjs');
const HOUR_MS = 3_600_000;

interface Message {
  ready?: true;
  id?: number;
  value?: unknown;
  error?: { message: string; code?: string };
  subscription?: number;
  state?: [string, StoredState];
  report?: StoredReport;
}

export class StoreProcess {
  readonly child: ChildProcess;
  readonly #ready: Promise<void>;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #listeners = new Map<number, StoreListener>();
  #lastId = 0;

  constructor(child: ChildProcess) {
    this.child = child;
    const ready = withResolvers<void>();
    this.#ready = ready.promise;
    child.on('message', (message: { remote?: Message } | null) => {
      if (message?.remote?.ready) ready.resolve();
      else if (message?.remote) this.#receive(message.remote);
    });
    // Only `ask()` reports it.
    ready.promise.catch(() => undefined);
    child.on('exit', (code, signal) => {
      const ended = new Error(`The process of this store has ended with ${code ?? signal}.`);
      ready.reject(ended);
      for (const { reject } of this.#pending.values()) reject(ended);
      this.#pending.clear();
    });
  }

  async open(kind: 'cluster' | 'redis', options: object = {}): Promise<RemoteStore> {
    const store = (this.#lastId += 1);
    await this.ask('open', { store, kind, options });
    return new RemoteStore(this, store);
  }

  /** Waits until the process listens, because Node drops a message that arrives before. */
  async ask(command: string, more: object = {}): Promise<unknown> {
    await this.#ready;
    const id = (this.#lastId += 1);
    const answer = withResolvers<unknown>();
    this.#pending.set(id, answer);
    this.child.send({ remote: { id, command, ...more } });
    return answer.promise;
  }

  async subscribe(store: number, listener: StoreListener): Promise<() => Promise<void>> {
    const subscription = (this.#lastId += 1);
    this.#listeners.set(subscription, listener);
    await this.ask('subscribe', { store, subscription });
    return async () => void (await this.ask('unsubscribe', { subscription }));
  }

  /** SIGKILL, unless the process has ended. Resolves when it has. */
  kill(): Promise<void> {
    return killProcess(this.child);
  }

  #receive({ id, value, error, subscription, state, report }: Message): void {
    if (id !== undefined) {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      if (error) pending?.reject(Object.assign(new Error(error.message), { code: error.code }));
      else pending?.resolve(value);
    }
    const listener = subscription === undefined ? undefined : this.#listeners.get(subscription);
    if (state) listener?.state(...state);
    if (report) listener?.report?.(report);
  }
}

export class RemoteStore implements Required<Omit<Store, 'startsEmpty' | 'isDurable'>> {
  readonly #process: StoreProcess;
  readonly #store: number;

  constructor(process: StoreProcess, store: number) {
    this.#process = process;
    this.#store = store;
  }

  async load(): Promise<ReadonlyMap<string, StoredState>> {
    return new Map((await this.#call('load')) as [string, StoredState][]);
  }

  async publish(app: string, publication: Publication): Promise<PublishResult> {
    const { published, current } = (await this.#call('publish', app, publication)) as PublishResult;
    return { published, current };
  }

  subscribe(listener: StoreListener): Promise<() => Promise<void>> {
    return this.#process.subscribe(this.#store, listener);
  }

  async report(report: StoredReport, ttlMs: number, withinMs = 2000): Promise<void> {
    await this.#call('report', report, ttlMs, withinMs);
  }

  async reports(): Promise<readonly StoredReport[]> {
    return (await this.#call('reports')) as StoredReport[];
  }

  async close(): Promise<void> {
    await this.#call('close');
  }

  /** Closes it, and what was opened for it; its process stays. */
  async end(): Promise<void> {
    await this.#process.ask('end', { store: this.#store });
  }

  #call(command: string, ...args: unknown[]): Promise<unknown> {
    return this.#process.ask(command, { store: this.#store, args });
  }
}

export function forkWorker(clockOffset = 0): StoreProcess {
  cluster.setupPrimary({ exec: SCRIPT, args: [], execArgv: [] });
  return new StoreProcess(cluster.fork({ CLOCK_OFFSET: clockOffset }).process);
}

export function forkProcess(clockOffset = 0): StoreProcess {
  const env = { ...process.env, CLOCK_OFFSET: String(clockOffset) };
  return new StoreProcess(fork(SCRIPT, { execArgv: [], env }));
}

/** As many as the contract wants, each with another time. */
export const CLOCK_OFFSETS = [0, HOUR_MS, -HOUR_MS];

// Node 20 has no Promise.withResolvers().
interface PromiseWithResolvers<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let settle: Omit<PromiseWithResolvers<T>, 'promise'>;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle! };
}
