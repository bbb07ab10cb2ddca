/** The `package.json` of each example. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { EXAMPLES, examples } from '../support/examples.ts';
import { manifest } from '../support/packed.ts';

/** The packages that the source of an example imports. */
function importedBy(name: string): Set<string> {
  const folder = join(EXAMPLES, name);
  const files = readdirSync(folder).filter((file) => /\.(mjs|ts)$/.test(file));
  const text = files.map((file) => readFileSync(join(folder, file), 'utf8')).join('');
  const imports = text.matchAll(/(?:from|import) '(?!node:|\.)((?:@[^/']+\/)?[^/']+)/g);
  return new Set([...imports].map(([, specifier = '']) => specifier));
}

it.each([...examples])(
  'the example %s names each package that it imports, in the version that is tested',
  (name, { dependencies, devDependencies }) => {
    const imported = importedBy(name);
    expect(imported).toContain('antract');
    expect([...imported].filter((one) => !(one in dependencies))).toEqual([]);
    const tested: Record<string, string> = {
      ...manifest.dependencies,
      ...manifest.devDependencies,
      antract: `^${manifest.version}`,
    };
    for (const [one, range] of Object.entries({ ...dependencies, ...devDependencies })) {
      expect([one, range]).toEqual([one, tested[one] ?? range]);
    }
  },
);
