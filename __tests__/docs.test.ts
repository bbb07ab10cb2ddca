import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import ms from 'ms';
import { FLAGS } from '../lib/cli/flags.ts';
import { ERROR_CODES } from '../lib/errors.ts';
import { DEFAULT_SETTINGS } from '../lib/settings.ts';
import { OPTION_NAMES } from '../lib/read-options.ts';

const read = (path: string): Promise<string> =>
  readFile(new URL(`../${path}`, import.meta.url), 'utf8');

/** The first two cells of each row of the table that follows a heading. */
async function table(path: string, heading: string): Promise<Map<string, string>> {
  const [, after = ''] = (await read(path)).split(`${heading}\n`);
  const rows = after.slice(0, after.search(/\n[^|\n]/)).matchAll(/^\| `(\w+)` \| ([^|]+) \|/gm);
  return new Map([...rows].map(([, name = '', cell = '']) => [name, cell.trim()]));
}

describe('the documentation', () => {
  it('names every option with its default', async () => {
    const documented = await table('README.md', '### Options');
    expect(new Set(documented.keys())).toEqual(new Set(OPTION_NAMES));
    const shown = {
      ...DEFAULT_SETTINGS,
      maxTime: ms(DEFAULT_SETTINGS.maxTime),
      healthCheckPath: 'none',
      privilegedUserAgent: 'none',
      bypass: 'none',
      hold: 'all requests',
      apps: 'none',
      release: 'all at once',
      health: 'none',
      healthTimeout: 'the rest of the pause',
      isLongLived: 'none',
      heartbeat: 'none',
      spool: 'see below',
      notify: 'none',
      store: "this process's memory",
      logger: 'console',
    };
    for (const [name, value] of Object.entries(shown)) {
      expect([name, documented.get(name)?.replaceAll('`', '')]).toEqual([name, String(value)]);
    }
  });

  it('names every flag of the gateway, and none that is not there', async () => {
    const rows = (await read('docs/gateway.md')).match(/^\| `--.*$/gm) ?? [];
    const documented = rows.flatMap((row) => row.split('|')[1]?.match(/--[a-z-]+/g) ?? []);
    expect(new Set(documented)).toEqual(new Set(FLAGS.map(({ long }) => long)));
  });

  it('has a section for every code, and none for another', async () => {
    const sections = (await read('docs/errors.md')).matchAll(/^### (ERR_\w+)$/gm);
    expect(new Set([...sections].map(([, code]) => code))).toEqual(new Set(ERROR_CODES));
  });
});
