/**
 * The package as its users get it: packed, installed in an empty folder, and used from there. The
 * other tests run the source; a wrong `exports` or a declaration that nobody can compile shows here.
 * Wants a fresh dist, which `npm test` builds.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SUPPORT = join(ROOT, '__tests__/support');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

/** What must not come along with the core: the proxy and the CLI's needs, and Express unasked. */
const NOT_THE_CORES = ['commander', 'express', 'http-proxy-middleware'];

const execute = promisify(execFile);

/** What a program printed. Rejects, with all it printed in the message, where it failed. */
async function run(cwd: string, file: string, ...args: string[]): Promise<string> {
  try {
    return (await execute(file, args, { cwd })).stdout.trim();
  } catch (error) {
    const { message, stdout = '', stderr = '' } = error as Error & Record<string, string>;
    throw new Error([message, stdout, stderr].join('\n'), { cause: error });
  }
}

const node = (cwd: string, ...args: string[]) => run(cwd, process.execPath, ...args);

let work: string;
let tarball: string;
let packed: string[];
let consumer: string;
let manifest: { version: string; devDependencies: Record<string, string> };

async function install(...packages: string[]): Promise<void> {
  const quick = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  await run(consumer, 'npm', 'install', ...quick, ...packages);
}

/** Compiles as strictly as a user can, our declarations and those they refer to included. */
async function compile(file: string): Promise<string> {
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false'];
  const target = ['--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  return await node(consumer, TSC, '--noEmit', ...strict, ...target, file);
}

beforeAll(async () => {
  work = await realpath(await mkdtemp(join(tmpdir(), 'antract-package-')));
  manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));

  // Without scripts: a rebuild would take dist away from under the tests that run beside this one.
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', work];
  const answer = await run(ROOT, 'npm', ...pack);
  const [made] = Object.values<{ filename: string; files: { path: string }[] }>(JSON.parse(answer));
  tarball = join(work, made!.filename);
  packed = made!.files.map(({ path }) => path);

  consumer = join(work, 'consumer');
  await cp(join(SUPPORT, 'consumer'), consumer, { recursive: true });
  await writeFile(join(consumer, 'package.json'), '{ "private": true }');
  await install(tarball, `@types/node@${manifest.devDependencies['@types/node']}`);
}, 180_000);

afterAll(async () => {
  await rm(work, { recursive: true, force: true });
});

describe('the packed tarball', () => {
  it('has each room of lib as code, map and declaration, the dashboard as it is, and documents', async () => {
    const sources = await readdir(join(ROOT, 'lib'), { recursive: true });
    const built = sources
      .filter((source) => /(?<!\.d)\.ts$/.test(source))
      .map((source) => join('dist', source.slice(0, -'.ts'.length)))
      .flatMap((room) => [`${room}.js`, `${room}.js.map`, `${room}.d.ts`]);
    const page = sources
      .filter((source) => /\.(js|css|html)$/.test(source))
      .map((source) => join('dist', source));
    const documents = /^(docs\/[^/]+\.md|README\.md|LICENSE|package\.json)$/;

    expect(packed.filter((path) => !documents.test(path)).toSorted()).toEqual(
      [...built, ...page].toSorted(),
    );
    expect(packed).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'package.json']));
  });

  it('pleases publint and "are the types wrong"', async () => {
    expect(JSON.parse(await node(SUPPORT, 'check-tarball.mjs', tarball))).toEqual({
      publint: [],
      types: [],
      entrypoints: ['.', './gateway', './redis', './store-contract', './package.json'],
    });
  });
});

describe('installed in an empty folder, the package', () => {
  const works = () => ({
    heldAtDisable: 1,
    body: 'let through',
    gateway: 'function',
    version: manifest.version,
  });

  it('can be imported', async () => {
    expect(JSON.parse(await node(consumer, 'import.mjs'))).toEqual(works());
  });

  it('can be required', async () => {
    expect(JSON.parse(await node(consumer, 'require.cjs'))).toEqual(works());
  });

  it('loads no proxy, no CLI parser and, before admin() is called, no Express', async () => {
    const elsewhere = join(work, 'core-alone');
    await cp(consumer, elsewhere, { recursive: true });
    for (const name of NOT_THE_CORES) await setTrap(join(elsewhere, 'node_modules', name), name);

    expect((await node(elsewhere, 'core-alone.mjs')).split('\n')).toEqual([
      'without admin: []',
      'with admin: ["express"]',
    ]);
  });

  it('serves its dashboard, and names what is missing for its metrics', async () => {
    expect(JSON.parse(await node(consumer, 'views.mjs'))).toEqual({
      dashboard: true,
      metrics: [
        501,
        [
          'Metrics need prom-client, an optional peer dependency of antract: `npm install prom-client`.',
          'ERR_ANTRACT_METRICS',
          '',
        ],
      ],
    });
  });

  it('tests a store by its contract, and names what is missing for a Redis URL', async () => {
    expect(JSON.parse(await node(consumer, 'stores.mjs'))).toEqual({
      missing: {
        code: 'ERR_ANTRACT_STORE',
        status: 500,
        message:
          'A Redis URL needs redis, an optional peer dependency of antract: `npm install redis`.',
      },
      tests: true,
    });
  });

  it('compiles, declarations included, for a user without the types of Express', async () => {
    await expect(readdir(join(consumer, 'node_modules/@types'))).resolves.not.toContain('express');
    expect(await compile('plain.ts')).toBe('');
  });

  it('compiles for a CommonJS module', async () => {
    expect(await compile('from-commonjs.cts')).toBe('');
  });

  it('compiles for a user of Express', async () => {
    await install(`@types/express@${manifest.devDependencies['@types/express']}`);
    expect(await compile('with-express.ts')).toBe('');
  }, 60_000);

  it('has a command', async () => {
    expect(await run(consumer, 'npx', '--no-install', 'antract', '--version')).toBe(
      manifest.version,
    );
  });
});

it('builds a command that can be run as a file', async () => {
  expect(await run(ROOT, join(ROOT, 'dist/cli.js'), '--version')).toBe(manifest.version);
});

/** Puts a package of that name there that does nothing but say that it was loaded. */
async function setTrap(folder: string, name: string): Promise<void> {
  await rm(folder, { recursive: true });
  await mkdir(folder);
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name, main: 'index.js' }));
  await writeFile(
    join(folder, 'index.js'),
    `(globalThis.loaded ??= []).push(${JSON.stringify(name)});\n`,
  );
}
