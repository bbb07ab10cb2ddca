/** The examples beside the packed tarball, installed by npm, and as processes of their own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { AppStatus } from '../../lib/index.ts';
import { untilSeen } from './eventually.ts';
import { request } from './http.ts';
import { install, ROOT, run } from './packed.ts';

export interface ExampleManifest {
  readonly scripts: { readonly start: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

export const EXAMPLES = join(ROOT, 'example');
const STATUS_MS = 30_000;
const EXIT_MS = 10_000;

/** The programs, by the names of their folders. Other folders have files to copy. */
export const examples: ReadonlyMap<string, ExampleManifest> = new Map(
  readdirSync(EXAMPLES, { withFileTypes: true })
    .filter(({ name }) => existsSync(join(EXAMPLES, name, 'package.json')))
    .map(({ name }) => [
      name,
      JSON.parse(readFileSync(join(EXAMPLES, name, 'package.json'), 'utf8')) as ExampleManifest,
    ]),
);

/**
 * Installs the tarball and the packages of these examples in one folder, and copies the examples there.
 * Node finds the packages of an example in the folder above it.
 *
 * @param others more packages. They replace those of the same name that an example asks for.
 */
export async function installExamples(
  folder: string,
  tarball: string,
  names: readonly string[],
  ...others: string[]
): Promise<void> {
  await mkdir(folder);
  await writeFile(join(folder, 'package.json'), '{ "private": true }');
  const wanted = names
    .flatMap((name) => Object.entries(examples.get(name)!.dependencies))
    .filter(([name]) => name !== 'antract' && !others.some((other) => other.startsWith(`${name}@`)))
    .map(([name, range]) => `${name}@${range}`);
  await install(folder, tarball, ...new Set(wanted), ...others);
  for (const name of names) {
    // Without what a developer has installed there.
    const filter = (path: string): boolean => !path.includes('node_modules');
    await cp(join(EXAMPLES, name), join(folder, name), { recursive: true, filter });
  }
}

const running = new Set<Program>();

/** A program that prints where it listens. */
export class Program {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
    running.add(this);
  }

  static async start(file: string, env: Record<string, string> = {}): Promise<Program> {
    const child = spawn(process.execPath, [file], {
      cwd: join(file, '..'),
      env: { PATH: process.env['PATH'], PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let printed = '';
    child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    for await (const line of createInterface({ input: child.stdout })) {
      const [, url] = /listening on (\S+)/.exec(line) ?? [];
      if (url === undefined) continue;
      child.stdout.resume();
      return new Program(child, url);
    }
    throw new Error(`${file} ended before it listened: ${printed}`);
  }

  async text(path: string): Promise<string> {
    return (await request(this.url + path)).body;
  }

  /** Resolves when nothing is in flight. */
  async pause(): Promise<void> {
    const answer = await this.text('/_antract/enable?reason=upgrade&wait=10s');
    if (!answer.includes('Drained: ')) throw new Error(`It did not drain: ${answer}`);
  }

  /** Asks for the status until it is so. */
  untilStatus(what: string, isSo: (status: AppStatus) => boolean): Promise<AppStatus> {
    const look = async (): Promise<AppStatus> => {
      const headers = { Accept: 'application/json' };
      const { body } = await request(`${this.url}/_antract/status?app=default`, { headers });
      return JSON.parse(body) as AppStatus;
    };
    return untilSeen(what, look, isSo, STATUS_MS);
  }

  /** SIGTERM. Resolves with the exit code, or with the signal that ended the program. */
  async stop(): Promise<number | string> {
    running.delete(this);
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return exitCode ?? signalCode!;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), EXIT_MS);
    const [code, signal] = (await exited) as [number | null, string | null];
    clearTimeout(timer);
    return code ?? signal!;
  }
}

/** Runs the script `start` of an example, without npm, and with the `tsc` of this repository. */
export async function startExample(
  folder: string,
  name: string,
  env: Record<string, string> = {},
): Promise<Program> {
  const commands = examples.get(name)!.scripts.start.split(' && ');
  const [, file = ''] = commands.pop()!.split(' ');
  for (const command of commands) {
    await run(join(folder, name), process.execPath, join(ROOT, 'node_modules/.bin', command));
  }
  return Program.start(join(folder, name, file), env);
}

/** Stops all programs. Resolves with how each of them ended. */
export function stopPrograms(): Promise<(number | string)[]> {
  return Promise.all([...running].map((program) => program.stop()));
}
