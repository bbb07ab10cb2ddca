/** The file with the admin tokens. */
import { expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readTokenFile } from '../../lib/cli/config/admin-token.ts';

it('a comment before a token can give it a name, and every other comment is skipped', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'antract-token-'));
  const file = path.join(folder, 'tokens');
  try {
    writeFileSync(
      file,
      '# name: ci\nfirst\n\n# old\nsecond\n#name:  Ada L. \n  third\n# name: \nfourth',
      {
        mode: 0o600,
      },
    );
    const warnings: string[] = [];
    expect(readTokenFile(file, (warning) => warnings.push(warning))).toEqual([
      { name: 'ci', token: 'first' },
      'second',
      { name: 'Ada L.', token: 'third' },
      'fourth',
    ]);
    expect(warnings).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
