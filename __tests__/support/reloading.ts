/** An `antract serve` whose configuration, tokens and code a test replaces before it reloads it. */
import { expect } from '@jest/globals';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { untilStatus } from './admin-status.ts';
import { endAll, runCli, serve, type CliProcess, type Serving } from './cli.ts';
import { closeAll, listen, request } from './http.ts';

/** A request as the backend got it. */
export interface Arrival {
  readonly url: string;
  /** The SHA-1 of its body, once it has arrived. */
  body?: string;
}

export type End = number | string;

export class ReloadedSite implements Serving {
  /** In the order in which the backend got them. Without probes, which are for `/`. */
  readonly arrived: Arrival[] = [];
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'antract-reload-'));
  #serving: Serving | undefined;
  #target = '';

  /** Starts the backend and the gateway. */
  async start(...flags: string[]): Promise<this> {
    this.#target = await this.#startBackend();
    if (!existsSync(this.file('preload.cjs'))) this.preload('');
    this.configure();
    this.setToken('old');
    const env = { NODE_OPTIONS: `--require=${this.file('preload.cjs')}` };
    const own = ['--config', this.file('config.json'), '--access-log', 'off'];
    this.#serving = await serve([...own, ...flags], env);
    return this;
  }

  get cli(): CliProcess {
    return (this.#serving as Serving).cli;
  }

  get url(): string {
    return (this.#serving as Serving).url;
  }

  get adminUrl(): string {
    return (this.#serving as Serving).adminUrl;
  }

  file(name: string): string {
    return path.join(this.#folder, name);
  }

  /** Each process of antract runs this first: code that a test can replace, like the code on disk. */
  preload(code: string): void {
    writeFileSync(this.file('preload.cjs'), code);
  }

  /** From now on, each new worker crashes. */
  crashWorkers(): void {
    this.preload(`if (process.argv[2] === 'worker') process.exit(7);`);
  }

  configure(config: object = {}): void {
    writeFileSync(this.file('config.json'), JSON.stringify({ target: this.#target, ...config }));
  }

  setToken(token: string): void {
    writeFileSync(this.file('tokens'), `${token}\n`, { mode: 0o600 });
  }

  antract(...args: string[]): CliProcess {
    return runCli(args, { ANTRACT_URL: this.adminUrl });
  }

  /** Runs a command that must not fail. */
  async succeed(...args: string[]): Promise<string> {
    const cli = this.antract(...args);
    const { code } = await cli.exited;
    expect([code, cli.stderr]).toEqual([0, '']);
    return cli.stdout;
  }

  /** Resolves when the old workers have closed their listeners. */
  async reload(): Promise<void> {
    this.cli.stderr = '';
    const said = await this.succeed('reload');
    const [, leaving = ''] = /(\d+) old workers? will exit/.exec(said) ?? [];
    await this.untilLeft(Number(leaving));
  }

  /** @returns the error that the command printed. */
  async failReload(): Promise<{ code: string; message: string }> {
    const cli = this.antract('reload', '--json');
    expect((await cli.exited).code).toBe(1);
    return (JSON.parse(cli.stdout) as { error: { code: string; message: string } }).error;
  }

  /** Resolves when so many workers have closed their listeners since `cli.stderr` was cleared. */
  async untilLeft(workers: number): Promise<void> {
    const left = `(?:leaving: accepts no more connections[\\s\\S]*){${workers}}`;
    await this.cli.saw('stderr', new RegExp(left));
  }

  untilHeld(count: number, ms?: number) {
    return untilStatus(this, `${count} held requests`, ({ held }) => held === count, ms);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #startBackend(): Promise<string> {
    const { server, url } = await listen(async (req, res) => {
      const arrival = this.#arrive(req);
      const hash = createHash('sha1');
      try {
        for await (const chunk of req as AsyncIterable<Buffer>) hash.update(chunk);
      } catch {
        // Cut off. Its digest is missing then.
        return;
      }
      arrival.body = hash.digest('hex');
      if (req.url !== '/hang') res.end(req.url);
    });
    // It never closes an idle connection: a request that was just written to it would be lost.
    Object.assign(server, { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 });
    server.on('upgrade', (req, socket) => {
      this.#arrive(req);
      socket.end(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      );
    });
    return url;
  }

  #arrive({ url = '' }: IncomingMessage): Arrival {
    const arrival: Arrival = { url };
    if (url !== '/') this.arrived.push(arrival);
    return arrival;
  }
}

/** For `afterEach`. */
export async function endSite(site: ReloadedSite): Promise<void> {
  await endAll();
  await closeAll();
  site.remove();
}

/** @returns the status of the response, or the code of the error. */
export const send = (url: string, options?: Parameters<typeof request>[1]): Promise<End> =>
  request(url, options).then(
    ({ status }) => status,
    (error: NodeJS.ErrnoException) => error.code ?? String(error),
  );
