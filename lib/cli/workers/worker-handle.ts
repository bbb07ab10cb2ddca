/** One worker process, as the primary sees it. */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { systemClock } from '../../common/clock.ts';
import { AntractError } from '../../common/errors.ts';
import type { GatewayAddress } from '../../gateway/server/gateway.ts';
import { PROTOCOL } from '../../stores/store.ts';
import { CommandFailure, EXIT_FAILED } from '../cli-error.ts';
import {
  onWorkerMessage,
  sendToWorker,
  type WorkerFailure,
  type WorkerSetup,
} from './worker-messages.ts';

/** A worker that leaves before it listens is killed after this time. */
const LISTENS_OR_EXITS_MS = 5000;

export class WorkerHandle {
  readonly worker: Worker;
  /** Resolves when the worker listens. Rejects if it exits before, with the reason that it gave. */
  readonly listens: Promise<GatewayAddress>;
  /** Resolves when the process has exited, with how it ended as text. Never rejects. */
  readonly exited: Promise<string>;
  /** Whether it exited with 0. */
  exitedCleanly = false;
  isListening = false;
  #isClosing = false;
  #isReady = false;
  #setup: WorkerSetup | undefined;
  #failure: WorkerFailure | undefined;

  /** Starts the process, which loads its code while it waits for {@link setUp}. */
  constructor() {
    this.worker = cluster.fork();
    this.exited = this.#waitForEnd();
    this.listens = new Promise((resolve, reject) => {
      onWorkerMessage(this.worker, (message) => {
        if (message.type === 'ready') this.#onReady(message.protocol);
        if (message.type === 'failed') this.#failure = message.failure;
        if (message.type !== 'listens') return;
        this.isListening = true;
        resolve(message.address);
      });
      void this.exited.then((ending) => reject(this.#toStartError(ending)));
    });
    // Without this, a rejection that nothing awaits would end the primary.
    this.listens.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.worker.process.pid;
  }

  /** Sends the worker its configuration, once it is ready. */
  setUp(setup: WorkerSetup): void {
    this.#setup = setup;
    this.#sendSetup();
  }

  /** A worker that is not ready yet gets the message when it is. */
  close(): void {
    this.#isClosing = true;
    this.#sendClose();
  }

  /** A worker whose start has failed or is taking too long may have just begun to listen. */
  leave(generation: number): void {
    if (!this.#isReady) return this.kill();
    sendToWorker(this.worker, { type: 'leave', generation });
    systemClock.after(LISTENS_OR_EXITS_MS, () => this.isListening || this.kill());
  }

  kill(): void {
    this.worker.process.kill('SIGKILL');
  }

  #onReady(protocol: number | undefined): void {
    if (protocol !== PROTOCOL) {
      this.#failure = {
        exitCode: EXIT_FAILED,
        code: 'ERR_ANTRACT_PROTOCOL',
        message: `The code on disk exchanges messages of version ${protocol}, and the running primary of version ${PROTOCOL}. Restart antract to upgrade.`,
        namesOptions: false,
      };
      this.kill();
    } else if (this.#isClosing) this.#sendClose();
    else {
      this.#isReady = true;
      this.#sendSetup();
    }
  }

  #sendSetup(): void {
    if (!this.#isReady || !this.#setup) return;
    sendToWorker(this.worker, { type: 'set up', setup: this.#setup });
  }

  #sendClose(): void {
    sendToWorker(this.worker, { type: 'close' });
  }

  async #waitForEnd(): Promise<string> {
    const { process: child } = this.worker;
    const failed = new Promise<string>((resolve) => {
      // If the process could not be started, no `close` event follows.
      this.worker.on('error', ({ message }: Error) => {
        if (this.pid === undefined) resolve(`could not be started: ${message}`);
      });
    });
    // `close` comes after the last message of the worker.
    const ended = once(child, 'close').then(([code, signal]: (number | string | null)[]) => {
      this.exitedCleanly = code === 0;
      const { message } = this.#failure ?? {};
      if (message !== undefined) return `exited: ${message}`;
      return signal === null ? `exited with code ${code}` : `was killed by ${signal}`;
    });
    const ending = await Promise.race([failed, ended]);
    this.isListening = false;
    return ending;
  }

  #toStartError(ending: string): Error {
    if (!this.#failure) return new CommandFailure(`A worker ${ending} before it listened.`);
    const { message, exitCode, namesOptions, code } = this.#failure;
    return namesOptions
      ? new AntractError('ERR_ANTRACT_OPTION', message)
      : new CommandFailure(message, exitCode, code === undefined ? {} : { code });
  }
}
