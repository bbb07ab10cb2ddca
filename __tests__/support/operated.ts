/** A gateway process that is operated from the command line, and ways to wait for its states. */
import { startBackend, type Backend } from './backend.ts';
import { runCli, runOnTerminal, serve, type CliProcess } from './cli.ts';
import { request, type Answer } from './http.ts';

export interface Status {
  phase: string;
  held: number;
  inFlight: number;
  pauseId: string | null;
  leaseEndsInMs: number | null;
  reason: string | null;
  /** Where several processes share the app. */
  store?: string;
  processes?: { pid: number; held: number; inFlight: number }[];
  lostProcesses?: { pid: number; ended: boolean }[];
}

export class Operated {
  readonly backend: Backend;
  readonly gateway: CliProcess;
  readonly url: string;
  readonly adminUrl: string;

  constructor(backend: Backend, gateway: CliProcess, url: string, adminUrl: string) {
    this.backend = backend;
    this.gateway = gateway;
    this.url = url;
    this.adminUrl = adminUrl;
  }

  antract(...args: string[]): CliProcess {
    return runCli(args, { ANTRACT_URL: this.adminUrl });
  }

  onTerminal(...args: string[]): CliProcess {
    return runOnTerminal(args, { ANTRACT_URL: this.adminUrl });
  }

  async admin(endpoint: string): Promise<Record<string, unknown>> {
    const headers = { Accept: 'application/json' };
    const { body } = await request(`${this.adminUrl}/${endpoint}`, { headers });
    return JSON.parse(body) as Record<string, unknown>;
  }

  async status(): Promise<Status> {
    return (await this.admin('status?app=default')) as unknown as Status;
  }

  /** Asks until it is so. */
  async until(isSo: (status: Status) => boolean): Promise<Status> {
    for (;;) {
      const status = await this.status();
      if (isSo(status)) return status;
    }
  }

  /** A request that is in flight from when this resolves until its client leaves. */
  async begin(): Promise<{ leave(): void }> {
    const client = new AbortController();
    const arrived = this.backend.received('/hang');
    request(`${this.url}/hang`, { signal: client.signal }).catch(() => undefined);
    await arrived;
    return { leave: () => client.abort() };
  }

  /** A request that is held when this resolves. `answer` fails when its client leaves. */
  async hold(path = '/'): Promise<{ answer: Promise<Answer>; leave(): void }> {
    const { held } = await this.status();
    const client = new AbortController();
    const answer = request(this.url + path, { signal: client.signal });
    await this.until((status) => status.held > held);
    const leave = (): void => {
      answer.catch(() => undefined);
      client.abort();
    };
    return { answer, leave };
  }
}

export async function operate(...flags: string[]): Promise<Operated> {
  const backend = await startBackend();
  const { cli, url, adminUrl } = await serve(['--target', backend.url, ...flags]);
  return new Operated(backend, cli, url, adminUrl);
}
