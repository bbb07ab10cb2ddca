import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import ms from 'ms';
import { ENDPOINT_PARAMETERS } from '../../lib/admin/params.ts';
import { FLAGS } from '../../lib/cli/config/flags.ts';
import { ERROR_CODES } from '../../lib/common/errors.ts';
import { DEFAULT_SETTINGS } from '../../lib/options/settings.ts';
import { OPTION_NAMES } from '../../lib/options/read-options.ts';
import { codeBlocks, PAGES, readPage } from '../support/pages.ts';
import { type DesiredKind, phaseOf } from '../../lib/gate/phase.ts';
import { REJECT_REASONS, rejectionCode } from '../../lib/gate/status.ts';

const ROOT = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const read = (path: string): Promise<string> =>
  readFile(new URL(`../../${path}`, import.meta.url), 'utf8');

/** The first two cells of each row of the table in the section with this heading. */
async function table(path: string, heading: string): Promise<Map<string, string>> {
  const [, after = ''] = (await read(path)).split(`${heading}\n`);
  const [section = ''] = after.split('\n## ');
  const rows = section.matchAll(/^\| `(\w+)` \|([^|]*)\|/gm);
  return new Map([...rows].map(([, name = '', cell = '']) => [name, cell.trim()]));
}

/** Every code that the source names, comments included. */
async function codesInSource(): Promise<Set<string>> {
  const files = await readdir(ROOT('lib'), { recursive: true, withFileTypes: true });
  const texts = await Promise.all(
    files
      .filter((file) => file.isFile() && /\.(ts|js)$/.test(file.name))
      .map((file) => readFile(join(file.parentPath, file.name), 'utf8')),
  );
  return new Set(texts.join('').match(/\b(ERR|WRN)_ANTRACT_[A-Z_]*[A-Z]\b/g) ?? []);
}

/** As GitHub makes anchors of them. */
async function headingsOf(path: string): Promise<Set<string>> {
  const headings = (await read(path)).matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, text = '']) =>
      text
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** The phases that an app with this desired state can have. */
function phasesOf(desired: DesiredKind): string[] {
  const phases = [0, 1].flatMap((held) =>
    [true, false].flatMap((isDrained) =>
      [true, false].map((isAwaitingBackend) =>
        phaseOf({ desired, held, isDrained, isAwaitingBackend }),
      ),
    ),
  );
  return [...new Set(phases)].toSorted();
}

describe('the documentation', () => {
  it('names every option with its default', async () => {
    const documented = await table('docs/options.md', '## All options');
    expect(new Set(documented.keys())).toEqual(new Set(OPTION_NAMES));
    const shown = {
      ...DEFAULT_SETTINGS,
      maxTime: ms(DEFAULT_SETTINGS.maxTime),
      healthCheckPath: 'none',
      privilegedUserAgent: 'none',
      bypass: 'none',
      shouldHold: 'all requests',
      apps: 'none',
      release: 'all at once',
      probe: 'none',
      isLongLived: 'none',
      heartbeat: 'none',
      errorPage: 'none',
      spool: 'see below',
      notify: 'none',
      store: "this process's memory",
      logger: 'console',
    };
    for (const [name, value] of Object.entries(shown)) {
      expect([name, documented.get(name)?.replaceAll('`', '')]).toEqual([name, String(value)]);
    }
  });

  it('names every field of `probe` with its default', async () => {
    const documented = await table('docs/options.md', '## Probe');
    const { check: _none, timeout: _rest, ...defaults } = DEFAULT_SETTINGS.probe;
    const fields = ['url', 'connect', 'check', 'timeout', ...Object.keys(defaults)];
    expect(new Set(documented.keys())).toEqual(new Set(fields));
    for (const [name, value] of Object.entries(defaults)) {
      expect([name, documented.get(name)?.replaceAll('`', '')]).toEqual([name, String(value)]);
    }
  });

  it('names every flag of the gateway, and no other', async () => {
    const rows = (await read('docs/gateway.md')).match(/^\| `--.*$/gm) ?? [];
    const documented = rows.flatMap((row) => row.split('|')[1]?.match(/--[a-z-]+/g) ?? []);
    expect(new Set(documented)).toEqual(new Set(FLAGS.map(({ long }) => long)));
  });

  it('has a section for every error and warning in the source, and no other', async () => {
    const sections = (await read('docs/errors.md')).matchAll(/^### ((?:ERR|WRN)_\w+)\n(?!\n)/gm);
    const documented = [...sections].map(([, code]) => code);
    const known = await codesInSource();
    expect(new Set(documented)).toEqual(known);
    expect(documented).toHaveLength(known.size);
    expect(ERROR_CODES.filter((code) => !known.has(code))).toEqual([]);
  });

  it('names every reject reason with the code that its client gets', async () => {
    const rows = (await read('docs/errors.md')).matchAll(
      /^\| `([\w-]+)` \| \[(ERR_\w+)\]\((#\w+)\) \|$/gm,
    );
    const documented = new Set([...rows].map(([, ...cells]) => cells.join(' ')));
    const expected = REJECT_REASONS.map((reason) => {
      const code = rejectionCode(reason);
      return `${reason} ${code} #${code.toLowerCase()}`;
    });
    expect(documented).toEqual(new Set(expected));
  });

  it('names every admin endpoint with its parameters, and says what each parameter means', async () => {
    const [section = ''] = (await read('docs/admin.md')).split('\n## ');
    const rows = [...section.matchAll(/^\| `(\/\w*)` \|([^|]*)\|/gm)];
    const documented = rows.map(
      ([, path = '', cell = '']) =>
        [path.slice(1) || 'index', new Set(cell.match(/\w+/g))] as const,
    );
    const known = Object.entries(ENDPOINT_PARAMETERS);
    expect(new Map(documented)).toEqual(new Map(known.map(([name, all]) => [name, new Set(all)])));
    const explained = [...section.matchAll(/^\| `(\w+)` \| \S/gm)].map(([, name]) => name);
    expect(new Set(explained)).toEqual(new Set(known.flatMap(([, all]) => [...all])));
  });

  it('draws in each desired state the phases that it can have', () => {
    const [diagram] = codeBlocks('mermaid');
    const drawn = (id: string): string[] => {
      const [, inner = id] =
        new RegExp(`as desired_${id} {\n(.*?)\n {2}}`, 's').exec(diagram?.code ?? '') ?? [];
      const states = inner.replaceAll(/:.*$/gm, '').match(/[a-z]+/g) ?? [];
      return [...new Set(states)].toSorted();
    };
    for (const desired of ['running', 'paused', 'stopped'] as const) {
      expect(drawn(desired)).toEqual(phasesOf(desired));
    }
    const changes = (diagram?.code ?? '').matchAll(/^ {2}(\w+) --> (\w+):/gm);
    expect(new Set([...changes].map(([, from, to]) => `${from} ${to}`)).size).toBe(6);
  });

  it('links only to files that exist, and to headings that they have', async () => {
    const broken: string[] = [];
    for (const page of PAGES) {
      const links = readPage(page).matchAll(/\]\(([^)#\s]*)(?:#([^)]+))?\)/g);
      for (const [, target = '', anchor] of links) {
        if (target.includes('://')) continue;
        const path = target === '' ? page : new URL(target, `file:///${page}`).pathname.slice(1);
        const isThere = existsSync(ROOT(path)) && (!anchor || (await headingsOf(path)).has(anchor));
        if (!isThere) broken.push(`${page}: ${target}#${anchor ?? ''}`);
      }
    }
    expect(broken).toEqual([]);
    expect(PAGES.length).toBeGreaterThan(20);
  });
});
