/** The package as its users get it: packed, and installed by npm in a folder of its own. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { satisfies } from 'semver';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const execute = promisify(execFile);

/** Of one program. An installation of many packages takes long on a busy machine. */
const TIMEOUT_MS = 150_000;

export interface Manifest {
  readonly version: string;
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

export const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as Manifest;

/** Node 20 is not supported, but the tests run on it. */
export const isSupported = (): boolean => satisfies(process.versions.node, manifest.engines.node);

/**
 * The version that this repository develops with, for npm to install.
 *
 * @param name may be an alias, such as `express4`: then the package it stands for.
 */
export function devDependency(name: string): string {
  const range = manifest.devDependencies[name];
  if (range === undefined) throw new Error(`There is no development dependency \`${name}\`.`);
  return range.startsWith('npm:') ? range.slice('npm:'.length) : `${name}@${range}`;
}

/** What a program printed. Rejects, with all it printed in the message, where it failed. */
export async function run(cwd: string, file: string, ...args: string[]): Promise<string> {
  try {
    return (await execute(file, args, { cwd, timeout: TIMEOUT_MS })).stdout.trim();
  } catch (error) {
    const { message, stdout = '', stderr = '' } = error as Error & Record<string, string>;
    throw new Error([message, stdout, stderr].join('\n'), { cause: error });
  }
}

export async function install(folder: string, ...packages: string[]): Promise<void> {
  const quick = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  const engines = `--engine-strict=${isSupported()}`;
  await run(folder, 'npm', 'install', ...quick, engines, ...packages);
}

export interface Packed {
  readonly tarball: string;
  readonly files: readonly string[];
  /** In bytes. */
  readonly size: number;
  /** In bytes. */
  readonly unpackedSize: number;
}

/** Wants a fresh dist, which `npm test` builds. */
export async function pack(destination: string): Promise<Packed> {
  // Without scripts: a rebuild would take dist away from under the tests that run beside this one.
  const options = ['--json', '--ignore-scripts', '--pack-destination', destination];
  const answer = await run(ROOT, 'npm', 'pack', ...options);
  const [made] = Object.values<{
    filename: string;
    size: number;
    unpackedSize: number;
    files: { path: string }[];
  }>(JSON.parse(answer));
  const { filename, size, unpackedSize, files } = made!;
  const paths = files.map(({ path }) => path);
  return { tarball: join(destination, filename), files: paths, size, unpackedSize };
}
