/**
 * The package as its users get it: packed, installed in an empty folder, and used from there. The
 * other tests run the source; a wrong `exports` or a declaration that does not compile shows here.
 * Wants a fresh dist, which `npm test` builds.
 */
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { subset } from 'semver';
import {
  devDependency,
  install,
  isSupported,
  manifest,
  pack,
  ROOT,
  run,
} from '../support/packed.ts';

const SUPPORT = join(ROOT, '__tests__/support');

/** Those that the tests run, beside npm. */
const PACKAGE_MANAGERS = ['yarn@1.22.22', 'pnpm@10.34.8'];

/** What an installation may come to. Raise a limit only for something that every user needs. */
const MAX_PACKED_KB = 720;
const MAX_UNPACKED_KB = 2400;
const MAX_PACKAGES = 20;

/** What the core must not load: what the proxy and the CLI need, and Express. */
const NOT_THE_CORES = ['commander', 'express', 'http-proxy-middleware'];

const ENTRY_POINTS = ['index', 'create-gateway', 'redis', 'store-contract'];

const node = (cwd: string, ...args: string[]) => run(cwd, process.execPath, ...args);

let work: string;
let tarball: string;
let packed: string[];
let consumer: string;
let size: { packed: number; unpacked: number };
const nodeTypes = (): string => devDependency('@types/node');

/**
 * Compiles as strictly as a user can. TypeScript 7 checks our declarations too, and those they refer
 * to; TypeScript 5 would take many seconds for that.
 */
async function compile(
  folder: string,
  typescript: string,
  options: object,
  ...files: string[]
): Promise<string> {
  const skipLibCheck = typescript !== 'typescript';
  const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck };
  const compilerOptions = { ...strict, noEmit: true, target: 'es2023', types: [], ...options };
  const config = join(folder, `tsconfig.${Object.values(options).join('-')}.json`);
  await writeFile(config, JSON.stringify({ compilerOptions, files }));
  const tsc = join(ROOT, 'node_modules', typescript, 'bin/tsc');
  return await node(folder, tsc, '-p', config);
}

beforeAll(async () => {
  work = await realpath(await mkdtemp(join(tmpdir(), 'antract-package-')));
  const made = await pack(work);
  ({ tarball } = made);
  packed = [...made.files];
  size = { packed: made.size / 1000, unpacked: made.unpackedSize / 1000 };

  consumer = join(work, 'consumer');
  await cp(join(SUPPORT, 'consumer'), consumer, { recursive: true });
  await writeFile(join(consumer, 'package.json'), '{ "private": true }');
  await install(consumer, tarball);
}, 180_000);

afterAll(async () => {
  await rm(work, { recursive: true, force: true });
});

describe('the packed tarball', () => {
  it('has each entry point as ES module and CommonJS, their declarations, the dashboard as it is, documents and examples', async () => {
    const sources = await readdir(join(ROOT, 'lib'), { recursive: true });
    const declarations = sources
      .filter((source) => /^(?!bin\.ts|cli\/).*(?<!\.d)\.ts$/.test(source))
      .map((source) => join('dist', source.replace(/\.ts$/, '.d.ts')));
    const chart = ['LICENSE', 'dist/uPlot.iife.min.js', 'dist/uPlot.min.css'].map((file) =>
      join('dist/admin/dashboard/uplot', file),
    );
    const modules = ENTRY_POINTS.map((name) => join('dist', `${name}.js`));
    const commonJs = ENTRY_POINTS.flatMap((name) => [`${name}.cjs`, `${name}.d.cts`]).map((file) =>
      join('dist/commonjs', file),
    );
    const page = sources
      .filter((source) => /^(?!.*\/uplot\/).*\.(js|css|html)$/.test(source))
      .map((source) => join('dist', source));
    const documents =
      /^(docs\/(.+\.md|openapi\.json|images\/.+)|example\/.+|(README|CHANGELOG|SECURITY)\.md|LICENSE|package\.json)$/;

    const sharedPart = /^dist\/(commonjs\/part-\w+\.cjs|parts\/[\w-]+\.js)$/;

    const { man } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      man: string[];
    };
    const own = ENTRY_POINTS.map((name) => join('dist', `${name}.d.ts`));
    // Which of the other declarations these need, the tests below show: they compile a program.
    const isInner = (path: string) =>
      !own.includes(path) && [...declarations, 'dist/common/format.d.ts'].includes(path);

    expect(
      packed
        .filter((path) => !documents.test(path) && !sharedPart.test(path) && !isInner(path))
        .toSorted(),
    ).toEqual(
      [
        'dist/cli.js',
        ...man.map((path) => join(path)),
        ...modules,
        ...own,
        ...page,
        ...chart,
        ...commonJs,
      ].toSorted(),
    );
    expect(packed).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'package.json']));
  });

  it('has every file that its documents link to, and every example that they name', async () => {
    const pages = packed.filter((path) => path.endsWith('.md'));
    const missing: string[] = [];
    let count = 0;
    for (const page of pages) {
      const text = await readFile(join(ROOT, page), 'utf8');
      const examples = [...text.matchAll(/(?<![\w/.])example\/[\w./-]*\w/g)].map(([path]) => path);
      const paths = linkedFrom(text).map((link) => join(dirname(page), link).replace(/\/$/, ''));
      for (const path of [...paths, ...examples]) {
        count += 1;
        const isPacked = packed.some((file) => file === path || file.startsWith(`${path}/`));
        if (!isPacked) missing.push(`${page}: ${path}`);
      }
    }
    expect([...new Set(missing)]).toEqual([]);
    expect(count).toBeGreaterThan(30);
  });

  it('has no script that npm would ask its users to allow', async () => {
    const { scripts } = JSON.parse(
      await readFile(join(consumer, 'node_modules/antract/package.json'), 'utf8'),
    ) as { scripts: Record<string, string> };
    // `prepare` runs for a tarball, a folder and a repository; the others always.
    const asked = ['preinstall', 'install', 'postinstall', 'preprepare', 'prepare', 'postprepare'];
    expect(asked.filter((name) => name in scripts)).toEqual([]);
    // npm runs `node-gyp rebuild` for it, without any script.
    expect(packed).not.toContain('binding.gyp');
  });

  it('is small, together with its dependencies', async () => {
    const installed = await run(consumer, 'npm', 'ls', '--all', '--parseable');
    const packages = installed.split('\n').length - 1;
    const figures = `${Math.round(size.packed)} kB packed, ${Math.round(size.unpacked)} kB unpacked`;
    process.stdout.write(`antract installs ${packages} packages; itself ${figures}\n`);
    expect(packages).toBeLessThanOrEqual(MAX_PACKAGES);
    expect(size.packed).toBeLessThanOrEqual(MAX_PACKED_KB);
    expect(size.unpacked).toBeLessThanOrEqual(MAX_UNPACKED_KB);
  });

  it('passes publint and "are the types wrong"', async () => {
    expect(JSON.parse(await node(SUPPORT, 'check-tarball.mjs', tarball))).toEqual({
      publint: [],
      types: [],
      entrypoints: ['.', './gateway', './redis', './store-contract', './package.json'],
    });
  });

  it('exports each type that its exports mention', async () => {
    const declarations = join(ROOT, 'dist');
    expect(
      JSON.parse(await node(SUPPORT, 'check-exports.mjs', declarations, ...ENTRY_POINTS)),
    ).toEqual([]);
  });
});

describe('the versions of Node that the package names', () => {
  it('are those that every package it installs supports, and no fewer', async () => {
    const supported = manifest.engines.node;
    const lock = JSON.parse(await readFile(join(consumer, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { engines?: { node?: string } }>;
    };
    const declared = Object.entries(lock.packages)
      .filter(([path]) => path !== '' && path !== 'node_modules/antract')
      .map(([path, { engines }]) => [path, engines?.node ?? '*'] as const);
    expect(declared.filter(([, range]) => !subset(supported, range))).toEqual([]);
    expect(declared.filter(([, range]) => subset(range, supported))).not.toEqual([]);
  });

  it('are those that the README names', async () => {
    const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
    expect(readme).toContain(`\`${manifest.engines.node}\``);
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

  it('loads no proxy, no CLI parser and no Express for its middleware and admin endpoints', async () => {
    const elsewhere = join(work, 'core-alone');
    await cp(consumer, elsewhere, { recursive: true });
    for (const name of NOT_THE_CORES) await setTrap(join(elsewhere, 'node_modules', name), name);

    expect(JSON.parse(await node(elsewhere, 'core-alone.mjs'))).toEqual([]);
  });

  it('serves its dashboard, and names what is missing for its metrics', async () => {
    expect(JSON.parse(await node(consumer, 'views.mjs'))).toEqual({
      dashboard: true,
      metrics: [
        501,
        [
          'Metrics need the package `prom-client`, which is not installed. Run `npm install prom-client` where antract is installed; with npx, run `npx -p antract -p prom-client antract …`.',
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
          'A Redis URL needs the package `redis`, which is not installed. Run `npm install redis` where antract is installed; with npx, run `npx -p antract -p redis antract …`.',
      },
      tests: true,
    });
  });

  it('runs as the command `antract`', async () => {
    expect(await run(consumer, 'npx', '--no-install', 'antract', '--version')).toBe(
      manifest.version,
    );
  });
});

describe.each(['typescript', 'typescript5'])('a project that compiles with %s', (typescript) => {
  beforeAll(async () => {
    await install(consumer, nodeTypes());
    // The same as a module of each kind; without an ending that says so, it is CommonJS here.
    await cp(join(consumer, 'plain.ts'), join(consumer, 'plain.mts'));
  }, 60_000);

  it.each([
    ['nodenext', { module: 'nodenext' }],
    ['node16', { module: 'node16' }],
    ['bundler', { module: 'preserve', moduleResolution: 'bundler' }],
  ])(
    'sees the types of antract with module resolution %s',
    async (_name, options) => {
      await expect(readdir(join(consumer, 'node_modules/@types'))).resolves.not.toContain(
        'express',
      );
      const files = ['plain.ts', 'plain.mts', 'commonjs.cts', 'ambient-free.ts'];
      expect(await compile(consumer, typescript, options, ...files)).toBe('');
    },
    60_000,
  );

  it('can use it with Express', async () => {
    const folder = await besideDevDependencies('with-express');
    await cp(join(consumer, 'with-express.ts'), join(folder, 'with-express.ts'));
    const options = { module: 'nodenext', types: ['node'] };
    expect(await compile(folder, typescript, options, 'with-express.ts')).toBe('');
  }, 60_000);
});

describe.each(PACKAGE_MANAGERS)('installed by %s', (manager) => {
  it('the package can be imported, required and compiled', async () => {
    const tools = join(work, 'tools');
    await mkdir(tools, { recursive: true });
    await install(tools, '--no-save', manager);
    const [name = ''] = manager.split('@');
    const folder = join(work, name);
    await cp(join(SUPPORT, 'consumer'), folder, { recursive: true });
    await writeFile(join(folder, 'package.json'), '{ "private": true }');
    const ignore = name === 'yarn' && !isSupported() ? ['--ignore-engines'] : [];
    const tool = join(tools, 'node_modules/.bin', name);
    await run(folder, tool, 'add', ...ignore, tarball, nodeTypes());

    for (const file of ['import.mjs', 'require.cjs']) {
      expect(JSON.parse(await node(folder, file))).toMatchObject({ body: 'let through' });
    }
    const options = { module: 'nodenext' };
    expect(await compile(folder, 'typescript', options, 'ambient-free.ts')).toBe('');
  }, 90_000);
});

describe('Jest runs the tests of a project that uses antract', () => {
  const jest = join(ROOT, 'node_modules/jest/bin/jest.js');

  it('in CommonJS, with TypeScript and Nest', async () => {
    const folder = await besideDevDependencies('jest-commonjs');
    await expect(node(folder, jest, '--ci', '--forceExit')).resolves.toBe('');
  }, 60_000);

  it('in ES modules', async () => {
    const folder = await besideDevDependencies('jest-esm');
    await expect(
      node(folder, '--experimental-vm-modules', jest, '--ci', '--forceExit'),
    ).resolves.toBe('');
  }, 60_000);
});

it('the build makes dist/cli.js executable', async () => {
  expect(await run(ROOT, join(ROOT, 'dist/cli.js'), '--version')).toBe(manifest.version);
});

/** The relative links of a page in Markdown, without their anchors. */
function linkedFrom(page: string): string[] {
  const links = page.matchAll(/\]\(\s*<?([^)\s>]*)|^ *\[[^\]]+\]: *(\S+)|(?:href|src)="([^"]*)"/gm);
  return [...links]
    .map(([, inline, reference, html]) => inline ?? reference ?? html ?? '')
    .filter((link) => !/^[a-z][a-z+.-]*:|^\/\//i.test(link))
    .map((link) => link.replace(/[?#].*/, ''))
    .filter((link) => link !== '');
}

/** Puts a package of that name there that does nothing but say that it was loaded. */
async function setTrap(folder: string, name: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name, main: 'index.js' }));
  await writeFile(
    join(folder, 'index.js'),
    `(globalThis.loaded ??= []).push(${JSON.stringify(name)});\n`,
  );
}

/**
 * A folder with antract as npm has installed it. Whatever else is needed comes from this repository's
 * own packages, so that nothing is downloaded.
 */
async function besideDevDependencies(name: string): Promise<string> {
  const parent = join(work, 'beside-dev-dependencies');
  const folder = join(parent, name);
  await mkdir(parent, { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(parent, 'node_modules')).catch(ignoreExisting);
  await cp(join(SUPPORT, name), folder, { recursive: true }).catch(ignoreMissing);
  for (const installed of await readdir(join(consumer, 'node_modules'))) {
    if (installed.startsWith('.') || installed === '@types') continue;
    await cp(join(consumer, 'node_modules', installed), join(folder, 'node_modules', installed), {
      recursive: true,
    });
  }
  return folder;
}

const ignoring = (code: string) => (error: unknown) => {
  if ((error as NodeJS.ErrnoException).code !== code) throw error;
};
const ignoreExisting = ignoring('EEXIST');
const ignoreMissing = ignoring('ENOENT');
