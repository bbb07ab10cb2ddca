/**
 * Tells a signal that reached this process alone from one that reached the command as well. Ctrl-C
 * goes to every process in the foreground of the terminal, and a service manager may signal every
 * process of a service. The command must not get such a signal again: to terraform or docker compose a
 * second SIGINT means to stop without cleaning up. Node does not tell who else got a signal, so a
 * process that only waits is placed where the command is.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Clock } from '../../common/clock.ts';
import { delay } from '../delay.ts';

/** How long whoever signals several processes one after the other may take. */
const SPREAD = 50;
/** How long the witness may take to answer; it is about a millisecond. */
const ANSWER_TIME = 1000;

export class SignalDetector {
  readonly #clock: Clock;
  readonly #isGroup: boolean;
  readonly #process: ChildProcess;
  readonly #gone = new AbortController();
  #hasFailed = false;

  /** @param isGroup whether it is in a process group of its own, as the command then is. */
  constructor(isGroup: boolean, clock: Clock) {
    this.#clock = clock;
    this.#isGroup = isGroup;
    // It ends with its input, also when this process is killed.
    this.#process = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'], detached: isGroup });
    this.#process.once('error', () => {
      this.#hasFailed = true;
      this.#gone.abort();
    });
    this.#process.once('exit', () => this.#gone.abort());
    this.#process.stdin?.on('error', () => undefined);
  }

  /** Whether a signal that this process has just got has reached the command as well. */
  async hasSeen(signal: NodeJS.Signals): Promise<boolean> {
    await delay(this.#clock, SPREAD, this.#gone.signal);
    // A signal takes effect before the process that got it writes anything.
    const answered = new AbortController();
    const isOver = AbortSignal.any([answered.signal, this.#gone.signal]);
    this.#process.stdout?.once('data', () => answered.abort());
    this.#process.stdin?.write('?');
    await delay(this.#clock, ANSWER_TIME, isOver);
    // Without `cat`: on a terminal it was most likely Ctrl-C.
    return this.#hasFailed ? !this.#isGroup : this.#process.signalCode === signal;
  }

  end(): void {
    this.#process.stdin?.destroy();
    this.#process.stdout?.destroy();
  }
}
