/** A gateway process that is operated from the command line, and ways to wait for its states. */
import { startBackend, type Backend } from './backend.ts';
import { runCli, runOnTerminal, serve, type CliProcess } from './cli.ts';
import { request, type Answer } from './http.ts';
import { callAdmin, statusOf, untilStatus, type Status } from './admin-status.ts';

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

  /** The JSON that an admin endpoint answers with. */
  async admin(command: string): Promise<Record<string, unknown>> {
    return (await callAdmin(this, command)).body;
  }

  status(): Promise<Status> {
    return statusOf(this);
  }

  /** Polls the status. `what` is the state that it waits for, in words. */
  until(what: string, isSo: (status: Status) => boolean, ms?: number): Promise<Status> {
    return untilStatus(this, what, isSo, ms);
  }

  /** A request that is in flight from when this resolves until its client leaves. */
  async begin(): Promise<{ leave(): void }> {
    const client = new AbortController();
    const arrived = this.backend.received('/hang');
    request(`${this.url}/hang`, { signal: client.signal }).catch(() => undefined);
    await arrived;
    return { leave: () => client.abort() };
  }

  /**
   * A request that is held when this resolves. `answer` fails when its client disconnects. Call it only
   * while no held request is released: it waits until one more is held than before.
   */
  async hold(path = '/'): Promise<{ answer: Promise<Answer>; leave(): void }> {
    const { held } = await this.status();
    const client = new AbortController();
    const answer = request(this.url + path, { signal: client.signal });
    await this.until(`more than ${held} held requests`, (status) => status.held > held);
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
