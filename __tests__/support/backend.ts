/** Starts, kills and restarts backend processes; `killBackends()` ends every one of them. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ServerProcess } from './server-process.ts';

export interface JournalEntry {
  method: string;
  url: string;
  /** Of the body. */
  bytes: number;
}

export interface BackendOptions {
  /** How many connections wait to be accepted. */
  backlog?: number;
  /** With more requests at once it refuses connections. */
  limit?: number;
  /** Which of the programs beside this file; `backend.mjs` by default. */
  script?: string;
}

const backends = new Set<Backend>();

export class Backend extends ServerProcess {
  readonly #journal = path.join(this.directory, 'journal');
  readonly #script: string;
  #port = 0;

  constructor(name = 'backend.mjs') {
    super('backend');
    this.#script = path.join(import.meta.dirname, name);
  }

  /** The same after each start. */
  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start({ backlog, limit }: Omit<BackendOptions, 'script'> = {}): Promise<this> {
    if (this.#port === 0) writeFileSync(this.#journal, '');
    const child = fork(this.#script, [String(this.#port), this.#journal], {
      execArgv: [],
      env: {
        ...process.env,
        ...(backlog !== undefined && { BACKLOG: String(backlog) }),
        ...(limit !== undefined && { LIMIT: String(limit) }),
      },
    });
    this.child = child;
    const [message] = (await once(child, 'message')) as [{ port: number }];
    this.#port = message.port;
    return this;
  }

  /** Resolves when a request for `url` has arrived. */
  async received(url: string): Promise<void> {
    const child = this.#running;
    for (;;) {
      const [message] = (await once(child, 'message')) as [{ received?: string }];
      if (message.received === url) return;
    }
  }

  /** The most requests that it had at once since it was started. */
  async peak(): Promise<number> {
    const child = this.#running;
    child.send('peak');
    for (;;) {
      const [message] = (await once(child, 'message')) as [{ peak?: number }];
      if (message.peak !== undefined) return message.peak;
    }
  }

  /** Everything that arrived in full, over all its lives. */
  journal<Entry extends object = JournalEntry>(): Entry[] {
    return this.#lines<Entry>().filter((line): line is Entry => !('seen' in line));
  }

  /** The URL of everything of which it had read the first bytes. */
  seen(): string[] {
    return this.#lines().flatMap((line) => ('seen' in line ? [line.seen] : []));
  }

  get #running(): ChildProcess {
    return this.child as ChildProcess;
  }

  #lines<Entry extends object>(): (Entry | { seen: string })[] {
    const lines = readFileSync(this.#journal, 'utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Entry);
  }
}

export async function startBackend({ script, ...options }: BackendOptions = {}): Promise<Backend> {
  const backend = new Backend(script);
  backends.add(backend);
  return backend.start(options);
}

export async function killBackends(): Promise<void> {
  const all = [...backends];
  backends.clear();
  await Promise.all(all.map((backend) => backend.remove()));
}
