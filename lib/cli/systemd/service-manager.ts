/**
 * Tells systemd, or another service manager, what `antract serve` is doing. Runs systemd-notify(1), because
 * Node can't send to a Unix datagram socket.
 */
import { execFile } from 'node:child_process';
import { machineTime } from '../../common/clock.ts';
import type { WorkerHandle } from '../workers/worker-handle.ts';

/** Reads `NOTIFY_SOCKET` and deletes it from `env`: only the primary may use it. */
export function takeNotifySocket(env: NodeJS.ProcessEnv): string | undefined {
  const socket = env['NOTIFY_SOCKET'];
  delete env['NOTIFY_SOCKET'];
  return socket || undefined;
}

/** systemd-notify waits up to 5 s until the service manager has handled the message. */
const TIMEOUT_MS = 10_000;

export interface ServiceManagerDeps {
  /** A path, or `@` and the name of an abstract socket. Undefined if there is no service manager. */
  readonly socket: string | undefined;
  readonly warn: (message: string) => void;
}

export class ServiceManager {
  readonly #deps: ServiceManagerDeps;
  /** Starts and reloads that have not ended. At first, the start of the process. */
  #pending = 1;
  #isStopping = false;
  /** The text of each worker, the oldest worker first. */
  readonly #texts = new Map<WorkerHandle, string>();
  #sentText = '';
  #isTextQueued = false;
  #hasWarned = false;
  /** One message at a time, in order. */
  #queue: Promise<void> = Promise.resolve();

  constructor(deps: ServiceManagerDeps) {
    this.#deps = deps;
  }

  /** The time tells systemd whether this reload began after its SIGHUP (`Type=notify-reload`). */
  onReload(): void {
    this.#pending++;
    this.#send(() => ['RELOADING=1', `MONOTONIC_USEC=${Math.floor(machineTime() * 1000)}`]);
  }

  /** The start or a reload has ended; if it was a reload, also with an error. */
  onReady(): void {
    this.#pending--;
    if (this.#pending === 0 && !this.#isStopping) this.#send(() => ['READY=1']);
  }

  onStopping(): void {
    this.#isStopping = true;
    this.#send(() => ['STOPPING=1', 'STATUS=shutting down']);
  }

  /** Every worker reports the state of all apps in all workers, so the report of one is enough. */
  setText(worker: WorkerHandle, text: string): void {
    this.#texts.set(worker, text);
    this.#sendText();
  }

  removeText(worker: WorkerHandle): void {
    this.#texts.delete(worker);
    this.#sendText();
  }

  #sendText(): void {
    if (this.#isTextQueued || this.#newText() === undefined) return;
    this.#isTextQueued = true;
    this.#send(() => {
      this.#isTextQueued = false;
      const text = this.#newText();
      if (text === undefined) return [];
      this.#sentText = text;
      return [`STATUS=${text}`];
    });
  }

  /** Undefined if there is nothing new to tell. */
  #newText(): string | undefined {
    const [text] = this.#texts.values();
    return this.#isStopping || text === this.#sentText ? undefined : text;
  }

  /** @param lines asked when all earlier messages are sent. */
  #send(lines: () => string[]): void {
    const { socket } = this.#deps;
    if (socket === undefined) return;
    this.#queue = this.#queue.then(() => this.#run(socket, lines()));
  }

  async #run(socket: string, lines: string[]): Promise<void> {
    if (lines.length === 0) return;
    const env = { PATH: process.env['PATH'], NOTIFY_SOCKET: socket };
    const failure = await new Promise<Error | null>((resolve) => {
      execFile('systemd-notify', lines, { env, timeout: TIMEOUT_MS }, resolve);
    });
    if (!failure || this.#hasWarned) return;
    this.#hasWarned = true;
    this.#deps.warn(
      `WRN_ANTRACT_NOTIFY_SOCKET: NOTIFY_SOCKET is set, but the service manager could not be told ${lines[0]}: ` +
        `${failure.message.trim()}. antract continues. Install the program systemd-notify, or unset NOTIFY_SOCKET.`,
    );
  }
}
