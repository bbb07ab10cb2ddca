/**
 * Runs the command of `antract run`: its output is shown, signals reach it, and it is gone in the
 * end. Knows no pause.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import path from 'node:path';
import type { Clock } from '../../common/clock.ts';
import { CommandFailure } from '../cli-error.ts';
import { delay } from '../delay.ts';
import type { Output, Terminal } from '../terminal.ts';
import { SignalDetector } from './signal-detector.ts';
import { exitCodeOf, type InterruptSignal } from '../signals.ts';

export interface ChildOptions {
  readonly command: readonly string[];
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Whether it gets the terminal itself. */
  readonly tty: boolean;
  /** Whether our own standard output is for something else. */
  readonly outputToStderr: boolean;
}

/** What a shell says of a command that it can't find, or can't run. */
const EXIT_NOT_FOUND = 127;
const EXIT_NOT_RUN = 126;

export class Child {
  /** The exit code, as a shell would give it. Never rejects. */
  readonly exited: Promise<number>;
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  /** Whether it has a process group of its own. */
  readonly #isGroup: boolean;
  readonly #witness: SignalDetector;

  constructor({ command, terminal, clock, tty, outputToStderr }: ChildOptions) {
    const [file = '', ...args] = command;
    const { stdin, stdout, stderr } = process;
    this.#clock = clock;
    // On a terminal it stays in our group, or it could not ask anything there. Elsewhere a group of
    // its own lets a signal reach what it has started, too.
    this.#isGroup = ![stdin, stdout, stderr].some(({ isTTY }) => isTTY);
    const through = (to: Output): boolean => terminal.isLive && !tty && to.isTTY === true;
    const out = outputToStderr ? stderr : stdout;
    const stdio: StdioOptions = [
      'inherit',
      through(out) ? 'pipe' : outputToStderr ? 2 : 1,
      through(stderr) ? 'pipe' : 2,
    ];
    // First, so that it is there whenever the command is.
    this.#witness = new SignalDetector(this.#isGroup, clock);
    this.#child = spawn(file, args, { stdio, detached: this.#isGroup });
    this.#child.stdout?.on('data', (chunk: Buffer) => terminal.forward(chunk, out));
    this.#child.stderr?.on('data', (chunk: Buffer) => terminal.forward(chunk, stderr));
    this.exited = this.#waitForExit();
    void this.exited.then(() => this.#witness.end());
  }

  /** Resolves when it is gone. `signal` is the one that this process got; the command gets it once. */
  async end(signal: InterruptSignal, killAfter: number): Promise<void> {
    const gone = new AbortController();
    void this.exited.then(() => gone.abort());
    const hasIt = await this.#witness.hasSeen(signal);
    if (!hasIt && !gone.signal.aborted) this.#signal(signal);
    await delay(this.#clock, killAfter, gone.signal);
    if (!gone.signal.aborted) this.kill();
    await this.exited;
  }

  kill(): void {
    this.#signal('SIGKILL');
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(this.#isGroup ? -pid : pid, signal);
    } catch {
      // It is gone already, which is what was wanted.
    }
  }

  #waitForExit(): Promise<number> {
    const child = this.#child;
    return new Promise((resolve) => {
      child.once('error', ({ code }: NodeJS.ErrnoException) =>
        resolve(code === 'ENOENT' ? EXIT_NOT_FOUND : EXIT_NOT_RUN),
      );
      child.once('exit', (code, signal) => {
        const exitCode = signal === null ? (code ?? 1) : exitCodeOf(signal);
        void this.#outputEnded().then(() => resolve(exitCode));
      });
    });
  }

  /** What it has left running in the background may keep its output open for ever. */
  async #outputEnded(): Promise<void> {
    const closed = new AbortController();
    this.#child.once('close', () => closed.abort());
    await delay(this.#clock, 500, closed.signal);
    for (const pipe of [this.#child.stdout, this.#child.stderr]) (pipe as Socket | null)?.unref();
  }
}

/**
 * Finds out before anybody is made to wait.
 *
 * @throws CommandFailure with 127 or 126, as a shell.
 */
export function checkCommand(file: string): void {
  const places = file.includes('/')
    ? [file]
    : (process.env['PATH'] ?? '').split(path.delimiter).map((folder) => path.join(folder, file));
  const found = places.filter((place) => statSync(place, { throwIfNoEntry: false })?.isFile());
  if (found.length === 0) throw new CommandFailure(`${file}: not found.`, EXIT_NOT_FOUND);
  if (!found.some(isExecutable)) throw new CommandFailure(`${file}: not executable.`, EXIT_NOT_RUN);
}

function isExecutable(place: string): boolean {
  try {
    accessSync(place, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
