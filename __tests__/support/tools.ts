/**
 * Programs from Debian that some tests run. Where one is missing its tests are skipped, with the
 * command that installs it; in CI that is a failure instead.
 */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { it } from '@jest/globals';

/** `it` for tests that need a program. */
export function itWith(program: string, debianPackage: string): typeof it {
  const path = process.env['PATH'] ?? '';
  if (path.split(delimiter).some((folder) => existsSync(join(folder, program)))) return it;
  const missing = `${program} is missing: apt-get install --no-install-recommends ${debianPackage}`;
  if (process.env['CI']) throw new Error(missing);
  console.warn(`Tests are skipped, as ${missing}`);
  return it.skip as typeof it;
}
