/** What the CLI loads before a command starts, because the operator waits for it. */
import { expect, it } from '@jest/globals';
import { build } from 'esbuild';

const CLIENT_COMMANDS = [
  'run',
  'pause',
  'resume',
  'stop',
  'drain',
  'status',
  'report',
  'traffic',
  'events',
  'reload',
];

it('the executable loads no command but the one that was asked for', async () => {
  const { folders, packages } = await importsOf('bin.ts', './commands/*');
  expect(folders).toEqual(new Set(['bin.ts', 'cli', 'common']));
  expect(packages).toEqual(new Set(['./commands/*', 'commander']));
});

it.each(CLIENT_COMMANDS)('`antract %s` loads neither the gateway nor a store', async (name) => {
  const { folders, packages } = await importsOf(`cli/commands/${name}.ts`);
  expect(folders).not.toContain('gateway');
  expect(folders).not.toContain('stores');
  expect(packages).toEqual(new Set(['commander', 'ms']));
});

/** The folders of `lib/` and the packages that a file imports, also through other files. */
async function importsOf(file: string, ...external: string[]) {
  const { metafile } = await build({
    entryPoints: [`lib/${file}`],
    absWorkingDir: new URL('../..', import.meta.url).pathname,
    external,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    bundle: true,
    metafile: true,
    write: false,
  });
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
  const outside = imports.filter(({ external, path }) => external && !path.startsWith('node:'));
  return {
    folders: new Set(Object.keys(metafile.inputs).map((path) => path.split('/')[1])),
    packages: new Set(outside.map(({ path }) => path.replace(/^\.\/commands\/.*/, './commands/*'))),
  };
}
