/**
 * Makes `dist` from `lib`: ES modules and declarations by TypeScript, the same modules bundled as
 * CommonJS by esbuild, and the files of the dashboard.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, stop, transform } from 'esbuild';

/** `import.meta.url` as it is in `dist/admin/views`, which finds the files of the dashboard by it. */
const MODULE_URL =
  "const moduleUrl = require('node:url').pathToFileURL(`${__dirname}/../admin/views/index.js`).href;\n";

const ENTRY_POINTS = ['index', 'create-gateway', 'redis', 'store-contract'];

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

rmSync('dist', { recursive: true, force: true });
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
});
// `lib/cli.ts` would share its name with a folder, and service files may name `dist/cli.js`.
renameSync('dist/bin.js', 'dist/cli.js');
rmSync('dist/bin.d.ts');
chmodSync('dist/cli.js', 0o755);
copyDashboard();
await bundleCommonJs();
for (const name of ENTRY_POINTS) await declareCommonJs(name);
await stop();

/** The page's own files, and of its chart library what the page shows and the licence. */
function copyDashboard() {
  const page = 'lib/admin/dashboard';
  const unused = /\.(ts|json)$|\/uplot$/;
  cpSync(page, 'dist/admin/dashboard', { recursive: true, filter: (path) => !unused.test(path) });
  for (const file of ['LICENSE', 'dist/uPlot.iife.min.js', 'dist/uPlot.min.css']) {
    cpSync(join(page, 'uplot', file), join('dist/admin/dashboard/uplot', file));
  }
}

/**
 * esbuild splits only ES modules into parts. So it bundles to those first: entry points that share
 * their parts also share classes such as `AntractError`. Then it makes each part a CommonJS module.
 */
async function bundleCommonJs() {
  const { outputFiles } = await build({
    entryPoints: ENTRY_POINTS.map((name) => `lib/${name}.ts`),
    outdir: 'dist/commonjs',
    outExtension: { '.js': '.cjs' },
    chunkNames: 'part-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    write: false,
    define: { 'import.meta.url': 'moduleUrl' },
  });
  mkdirSync('dist/commonjs');
  for (const { path, text } of outputFiles) {
    const { code } = await transform(text, { format: 'cjs', platform: 'node', target: 'node20' });
    writeFileSync(path, code.includes('moduleUrl') ? MODULE_URL + code : code);
  }
}

/**
 * The declarations for the CommonJS modules. They refer to those of the ES modules, so that each type
 * exists once. Only types may be imported from an ES module there, so each value is declared anew.
 */
async function declareCommonJs(name) {
  const source = `'../${name}.js' with { 'resolution-mode': 'import' }`;
  const values = Object.entries(await import(`../dist/${name}.js`)).map(([value, it]) =>
    String(it).startsWith('class ')
      ? `export declare const ${value}: typeof esm.${value};\nexport type ${value} = esm.${value};`
      : `export declare const ${value}: typeof esm.${value};`,
  );
  const lines = [
    `import type * as esm from ${source};`,
    `export type * from ${source};`,
    ...values,
  ];
  writeFileSync(`dist/commonjs/${name}.d.cts`, `${lines.join('\n')}\n`);
}
