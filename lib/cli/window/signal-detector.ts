/**
 * Detects whether a signal that this process got has reached the command of `antract run` as well.
 *
 * Ctrl-C goes to every process in the foreground of the terminal, and a service manager may signal every
 * process of a service. The command must not get such a signal twice: for terraform and docker compose,
 * a second SIGINT means "stop without cleaning up". Node can't tell who else got a signal, so an idle
 * process (`cat`) runs beside the command and shares its process group.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Clock } from '../../common/clock.ts';
import { delay } from '../delay.ts';

/** A sender may take this long to signal several processes one after the other. */
const SPREAD_MS = 50;
/** The time that `cat` gets to echo its input; it takes about 1 ms. */
const ECHO_MS = 1000;

export class SignalDetector {
  readonly #clock: Clock;
  readonly #hasOwnGroup: boolean;
  readonly #process: ChildProcess;
  readonly #exited = new AbortController();
  #hasFailed = false;

  /** @param hasOwnGroup whether the command has its own process group; then `cat` has one too. */
  constructor(hasOwnGroup: boolean, clock: Clock) {
    this.#clock = clock;
    this.#hasOwnGroup = hasOwnGroup;
    // `cat` ends when its input is closed, also if this process is killed.
    this.#process = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'], detached: hasOwnGroup });
    this.#process.once('error', () => {
      this.#hasFailed = true;
      this.#exited.abort();
    });
    this.#process.once('exit', () => this.#exited.abort());
    this.#process.stdin?.on('error', () => undefined);
  }

  /** @param signal the signal that this process has just got. */
  async reachedCommand(signal: NodeJS.Signals): Promise<boolean> {
    await delay(this.#clock, SPREAD_MS, this.#exited.signal);
    // If `cat` echoes the input, it did not get the signal: a signal takes effect before any output.
    const echoed = new AbortController();
    const echoedOrExited = AbortSignal.any([echoed.signal, this.#exited.signal]);
    this.#process.stdout?.once('data', () => echoed.abort());
    this.#process.stdin?.write('?');
    await delay(this.#clock, ECHO_MS, echoedOrExited);
    // If `cat` could not run: on a terminal the signal was most likely Ctrl-C.
    return this.#hasFailed ? !this.#hasOwnGroup : this.#process.signalCode === signal;
  }

  end(): void {
    this.#process.stdin?.destroy();
    this.#process.stdout?.destroy();
  }
}
