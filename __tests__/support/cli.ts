/** Runs the command line as users do, from the build; `endAll()` ends every process. */
import { spawn, type ChildProcess, type SpawnOptionsWithoutStdio } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';

const CLI = path.join(import.meta.dirname, '../../dist/cli.js');
const TERMINAL = path.join(import.meta.dirname, 'terminal.py');

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** Where and as whom it runs. */
export type CliOptions = Pick<SpawnOptionsWithoutStdio, 'cwd' | 'uid' | 'gid'>;

export class CliProcess {
  stdout = '';
  stderr = '';
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;

  constructor(
    command: readonly string[],
    env: Record<string, string> = {},
    options: CliOptions = {},
  ) {
    // Nothing of the environment that the tests run in, which may have ANTRACT_* of its own.
    const [file = '', ...args] = command;
    const child = spawn(file, args, { ...options, env: { PATH: process.env['PATH'], ...env } });
    child.stdout.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    // What a killed process has started may hold its output open for as long as it likes.
    child.once('exit', (_code, signal) => {
      if (signal !== 'SIGKILL') return;
      child.stdout.destroy();
      child.stderr.destroy();
    });
    this.exited = once(child, 'close').then(([code, signal]) => ({ code, signal }));
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** The processes that it has started, such as the workers of a gateway. */
  get children(): number[] {
    const list = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8');
    return list.split(' ').filter(Boolean).map(Number);
  }

  /** The signal also reaches its children. The process itself gets it first, so that it replaces none. */
  signalAll(name: NodeJS.Signals): void {
    for (const pid of [this.pid, ...this.children]) process.kill(pid, name);
  }

  /** Ends it and its children, if it still runs. */
  kill(): void {
    try {
      this.signalAll('SIGKILL');
    } catch {
      // It has exited, or this machine has no /proc.
      this.signal('SIGKILL');
    }
  }

  /** What a keyboard would send. */
  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Of {@link runOnTerminal}: its window is closed. */
  closeTerminal(): void {
    this.#child.stdin?.end();
  }

  /** As `head` does when it has enough. */
  stopReading(): void {
    this.#child.stdout?.destroy();
  }

  /** As a log collector that has ended. */
  stopReadingErrors(): void {
    this.#child.stderr?.destroy();
  }

  /** As a reader does that is busy. */
  readSlowly(): void {
    this.#child.stdout?.pause();
  }

  readOn(): void {
    this.#child.stdout?.resume();
  }

  /** As a slow log collector: one chunk, then a break. */
  readInPieces(breakMs: number): void {
    const { stdout } = this.#child;
    stdout?.on('data', () => {
      stdout.pause();
      setTimeout(() => stdout.resume(), breakMs);
    });
    stdout?.resume();
  }

  /** Waits until what was written to a stream matches. */
  async saw(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this[stream]);
      if (match) return match;
      const more = once(this.#child[stream] as NodeJS.EventEmitter, 'data');
      const over = this.exited.then((exit) => {
        throw new Error(
          `Ended (${JSON.stringify(exit)}) without ${pattern}: ${this.stdout}${this.stderr}`,
        );
      });
      await Promise.race([more, over]);
    }
  }
}

const running = new Set<CliProcess>();

export function runCli(
  args: readonly string[],
  env?: Record<string, string>,
  options?: CliOptions,
): CliProcess {
  return track(new CliProcess([process.execPath, CLI, ...args], env, options));
}

/** Another program. */
export function runProgram(command: readonly string[], env?: Record<string, string>): CliProcess {
  return track(new CliProcess(command, env));
}

/** The command line of antract, for a program that starts it. */
export const cliCommand = (args: readonly string[]): string[] => [process.execPath, CLI, ...args];

/** The same on a terminal of its own; what appears there is `stdout`. */
export function runOnTerminal(args: readonly string[], env?: Record<string, string>): CliProcess {
  const command = ['python3', TERMINAL, process.execPath, CLI, ...args];
  return track(new CliProcess(command, { TERM: 'xterm', ...env }));
}

function track(cli: CliProcess): CliProcess {
  running.add(cli);
  return cli;
}

export interface Serving {
  cli: CliProcess;
  url: string;
  adminUrl: string;
}

/** `antract serve` on a free port, once it listens. */
export async function serve(
  args: readonly string[],
  env?: Record<string, string>,
  options?: CliOptions,
): Promise<Serving> {
  return listening(runCli(['serve', '--port', '0', ...args], env, options));
}

/** The same from a build elsewhere. */
export async function serveFrom(script: string, args: readonly string[]): Promise<Serving> {
  const command = [process.execPath, script, 'serve', '--port', '0', ...args];
  return listening(track(new CliProcess(command)));
}

async function listening(cli: CliProcess): Promise<Serving> {
  const [, url = '', adminUrl = ''] = await cli.saw(
    'stderr',
    /listens on (\S+), admin endpoints: (\S+)/,
  );
  return { cli, url, adminUrl };
}

/** The same in a process that may have only so many file descriptors. */
export async function serveWithin(descriptors: number, args: readonly string[]): Promise<Serving> {
  const limit = ['sh', '-c', `ulimit -n ${descriptors}; exec "$0" "$@"`];
  const cli = track(
    new CliProcess([...limit, process.execPath, CLI, 'serve', '--port', '0', ...args]),
  );
  return listening(cli);
}

export async function endAll(): Promise<void> {
  const all = [...running];
  running.clear();
  for (const cli of all) cli.kill();
  await Promise.all(all.map((cli) => cli.exited));
}
