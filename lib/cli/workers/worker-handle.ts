/**
 * One worker, as its primary sees it: from being forked until it is gone. Knows nothing of the others.
 */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { AntractError } from '../../common/errors.ts';
import type { GatewayAddress } from '../../gateway/server/gateway.ts';
import { CommandFailure } from '../cli-error.ts';
import {
  onWorkerMessage,
  sendToWorker,
  type WorkerFailure,
  type WorkerSetup,
} from './worker-messages.ts';

export class WorkerHandle {
  readonly worker: Worker;
  /** Rejects when it is gone before, with what it said of it. */
  readonly listens: Promise<GatewayAddress>;
  /** How it ended, in words. Never rejects. */
  readonly gone: Promise<string>;
  /** Whether it ended as it was told to. */
  endedWell = false;
  isListening = false;
  #isClosing = false;
  #failure: WorkerFailure | undefined;

  constructor(setup: WorkerSetup) {
    this.worker = cluster.fork();
    this.gone = this.#waitForEnd();
    this.listens = new Promise((resolve, reject) => {
      onWorkerMessage(this.worker, (message) => {
        if (message.type === 'ready') this.#setUp(setup);
        if (message.type === 'failed') this.#failure = message.failure;
        if (message.type !== 'listens') return;
        this.isListening = true;
        resolve(message.address);
      });
      void this.gone.then((how) => reject(this.#whyNot(how)));
    });
    // Whoever waits is told; it may be nobody.
    this.listens.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.worker.process.pid;
  }

  /** One that is not ready yet is told when it is. */
  close(): void {
    this.#isClosing = true;
    this.#tellToClose();
  }

  kill(): void {
    this.worker.process.kill('SIGKILL');
  }

  #setUp(setup: WorkerSetup): void {
    if (this.#isClosing) this.#tellToClose();
    else sendToWorker(this.worker, { type: 'set up', setup });
  }

  #tellToClose(): void {
    sendToWorker(this.worker, { type: 'close' });
  }

  async #waitForEnd(): Promise<string> {
    const { process: child } = this.worker;
    const failed = new Promise<string>((resolve) => {
      // It could not be started: then no other event comes.
      this.worker.on('error', ({ message }: Error) => {
        if (this.pid === undefined) resolve(`could not be started: ${message}`);
      });
    });
    // After what it has said by then.
    const ended = once(child, 'close').then(([code, signal]: (number | string | null)[]) => {
      this.endedWell = code === 0;
      const { message } = this.#failure ?? {};
      if (message !== undefined) return `has ended: ${message}`;
      return signal === null ? `has ended with ${code}` : `was killed by ${signal}`;
    });
    const how = await Promise.race([failed, ended]);
    this.isListening = false;
    return how;
  }

  #whyNot(how: string): Error {
    if (!this.#failure) return new CommandFailure(`A worker ${how} before it listened.`);
    const { message, exitCode, namesOptions } = this.#failure;
    return namesOptions
      ? new AntractError('ERR_ANTRACT_OPTION', message)
      : new CommandFailure(message, exitCode);
  }
}
