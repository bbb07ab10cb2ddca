/** The man pages against the commands, and in a real groff. */
import { beforeAll, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { FLAGS } from '../../lib/cli/config/flags.ts';
import { createManPages } from '../../lib/cli/man-pages.ts';
import { createProgram } from '../../lib/cli/program.ts';
import { itWith } from '../support/programs.ts';

let pages: Map<string, string>;

beforeAll(async () => {
  pages = createManPages(await createProgram('1.2.3', undefined, []));
});

it('the package names every man page', () => {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { man } = JSON.parse(text) as { man: string[] };
  expect(man.sort()).toEqual([...pages.keys()].map((name) => `./dist/man/${name}`).sort());
});

const itWithGroff = itWith('groff', 'groff-base');

itWithGroff('groff shows each page without a warning, with every flag and all of the help', () => {
  const texts = [...pages].map(([name, input]) => {
    const args = ['-man', '-Tutf8', '-ww', '-P-cbou', '-rLL=200n'];
    const { stdout, stderr } = spawnSync('groff', args, { input, encoding: 'utf8' });
    expect([name, stderr]).toEqual([name, '']);
    return [name, stdout] as const;
  });
  const shown = new Map(texts);
  const serve = shown.get('antract-serve.1') ?? '';
  const missing = FLAGS.filter(({ long, env }) => !serve.includes(long) || !serve.includes(env));
  expect(missing.map(({ long }) => long)).toEqual([]);
  expect(serve).toContain('antract serve [options]');
  expect(serve).toContain('SIGTERM and SIGINT shut down');
  expect(shown.get('antract-run.1')).toContain('antract run [options] [app] -- command...');
  expect(shown.get('antract.1')).toContain('antract-serve(1)');
});
