/** Runs the command of `antract run`, forwards its output, and ends it on a signal. */
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

export interface ChildDeps {
  readonly command: readonly string[];
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Whether the command writes to the terminal itself, without the live lines. */
  readonly tty: boolean;
  /** Whether the output of the command goes to standard error, because `--json` prints to standard output. */
  readonly outputToStderr: boolean;
}

/** The exit codes of a shell for a command that it can't find or can't execute. */
const EXIT_NOT_FOUND = 127;
const EXIT_NOT_EXECUTABLE = 126;

export class Child {
  /** Resolves with the exit code that a shell would show. Never rejects. */
  readonly exited: Promise<number>;
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  /** Whether the command has its own process group. */
  readonly #hasOwnGroup: boolean;
  readonly #signalDetector: SignalDetector;

  constructor({ command, terminal, clock, tty, outputToStderr }: ChildDeps) {
    const [file = '', ...args] = command;
    const { stdin, stdout, stderr } = process;
    this.#clock = clock;
    // On a terminal the command needs our process group, or it could not read its input. Elsewhere it
    // gets its own group, so that a signal also reaches the processes that it has started.
    this.#hasOwnGroup = ![stdin, stdout, stderr].some(({ isTTY }) => isTTY);
    const isForwarded = (to: Output): boolean => terminal.isLive && !tty && to.isTTY === true;
    const out = outputToStderr ? stderr : stdout;
    const stdio: StdioOptions = [
      'inherit',
      isForwarded(out) ? 'pipe' : outputToStderr ? 2 : 1,
      isForwarded(stderr) ? 'pipe' : 2,
    ];
    // Started before the command, so that it sees every signal that the command gets.
    this.#signalDetector = new SignalDetector(this.#hasOwnGroup, clock);
    // These variables describe sockets of this process. Its children don't inherit the sockets.
    const { LISTEN_PID: _pid, LISTEN_FDS: _fds, LISTEN_FDNAMES: _names, ...env } = process.env;
    this.#child = spawn(file, args, { stdio, env, detached: this.#hasOwnGroup });
    this.#child.stdout?.on('data', (chunk: Buffer) => terminal.forward(chunk, out));
    this.#child.stderr?.on('data', (chunk: Buffer) => terminal.forward(chunk, stderr));
    this.exited = this.#waitForExit();
    void this.exited.then(() => this.#signalDetector.end());
  }

  /**
   * Ends the command, with SIGKILL after `killAfter`. Resolves when it has exited.
   *
   * @param signal the signal that this process got; the command gets it once.
   */
  async end(signal: InterruptSignal, killAfter: number): Promise<void> {
    const exited = new AbortController();
    void this.exited.then(() => exited.abort());
    const hasReceived = await this.#signalDetector.reachedCommand(signal);
    if (!hasReceived && !exited.signal.aborted) this.#signal(signal);
    await delay(this.#clock, killAfter, exited.signal);
    if (!exited.signal.aborted) this.kill();
    await this.exited;
  }

  kill(): void {
    this.#signal('SIGKILL');
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(this.#hasOwnGroup ? -pid : pid, signal);
    } catch {
      // The command has exited already.
    }
  }

  #waitForExit(): Promise<number> {
    const child = this.#child;
    return new Promise((resolve) => {
      child.once('error', ({ code }: NodeJS.ErrnoException) =>
        resolve(code === 'ENOENT' ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE),
      );
      child.once('exit', (code, signal) => {
        const exitCode = signal === null ? (code ?? 1) : exitCodeOf(signal);
        void this.#outputEnded().then(() => resolve(exitCode));
      });
    });
  }

  /** A background process of the command can keep its output open, so wait 500 ms at most. */
  async #outputEnded(): Promise<void> {
    const closed = new AbortController();
    this.#child.once('close', () => closed.abort());
    await delay(this.#clock, 500, closed.signal);
    for (const pipe of [this.#child.stdout, this.#child.stderr]) (pipe as Socket | null)?.unref();
  }
}

/**
 * Checks the command before the pause, so that no request waits for a typing error.
 *
 * @throws CommandFailure with exit code 127 or 126, as in a shell.
 */
export function checkCommand(file: string): void {
  const candidates = file.includes('/')
    ? [file]
    : (process.env['PATH'] ?? '').split(path.delimiter).map((folder) => path.join(folder, file));
  const found = candidates.filter((place) => statSync(place, { throwIfNoEntry: false })?.isFile());
  if (found.length === 0) throw new CommandFailure(`${file}: not found.`, EXIT_NOT_FOUND);
  if (!found.some(isExecutable))
    throw new CommandFailure(`${file}: not executable; run chmod +x.`, EXIT_NOT_EXECUTABLE);
}

function isExecutable(place: string): boolean {
  try {
    accessSync(place, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
