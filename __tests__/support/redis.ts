/**
 * A real redis-server on a free port, without persistence: it loses its data when it is killed.
 * `stopRedis()` ends every one of them.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';
import { describeWith } from './programs.ts';
import { ServerProcess } from './server-process.ts';

const execute = promisify(execFile);

/** `describe` for tests with a Redis. */
export const describeWithRedis = describeWith('redis-server', 'redis-server');

export interface RedisOptions {
  /** A cluster of this one node, which has all slots. */
  cluster?: boolean;
}

const servers = new Set<RedisServer>();

export class RedisServer extends ServerProcess {
  readonly #cluster: boolean;
  #port = 0;

  constructor({ cluster = false }: RedisOptions = {}) {
    super('redis');
    this.#cluster = cluster;
  }

  /** The same after each start. */
  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }

  /** Resolves when it takes connections. */
  async start(): Promise<this> {
    if (this.#port === 0) this.#port = await freePort();
    const options = ['--bind', '127.0.0.1', '--port', String(this.#port), '--dir', this.directory];
    const nothingKept = ['--save', '', '--appendonly', 'no'];
    const clustered = ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())];
    // One that has met no other does not know its own address.
    clustered.push('--cluster-announce-ip', '127.0.0.1');
    this.child = spawn(
      'redis-server',
      [...options, ...nothingKept, ...(this.#cluster ? clustered : [])],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await untilReady(this.child);
    if (this.#cluster) await this.#takeAllSlots();
    return this;
  }

  /** What redis-cli prints. */
  async cli(...args: string[]): Promise<string> {
    const { stdout } = await execute('redis-cli', ['-p', String(this.#port), ...args]);
    return stdout.trim();
  }

  async #takeAllSlots(): Promise<void> {
    // After a restart it has them already.
    if ((await this.cli('cluster', 'info')).includes('cluster_slots_assigned:16384')) return;
    await this.cli('cluster', 'addslotsrange', '0', '16383');
    while (!(await this.cli('cluster', 'info')).includes('cluster_state:ok'));
  }
}

export async function startRedis(options?: RedisOptions): Promise<RedisServer> {
  const server = new RedisServer(options);
  servers.add(server);
  return server.start();
}

export async function stopRedis(): Promise<void> {
  const all = [...servers];
  servers.clear();
  await Promise.all(all.map((server) => server.remove()));
}

async function untilReady(child: ChildProcess): Promise<void> {
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.includes('Ready to accept connections')) {
      // The rest is not read.
      child.stdout!.resume();
      return;
    }
    said.push(line);
  }
  throw new Error(`redis-server did not start:\n${said.join('\n')}`);
}
