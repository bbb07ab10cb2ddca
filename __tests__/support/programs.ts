/**
 * Programs from Debian that some tests run. Where one is missing its tests are skipped, with the
 * command that installs it; in CI that is a failure instead.
 */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, it } from '@jest/globals';

/** `it` for tests that need a program. */
export function itWith(program: string, debianPackage: string): typeof it {
  return isThere(program, debianPackage) ? it : (it.skip as typeof it);
}

/** `describe` for tests that need a program. */
export function describeWith(program: string, debianPackage: string): typeof describe {
  return isThere(program, debianPackage) ? describe : (describe.skip as typeof describe);
}

function isThere(program: string, debianPackage: string): boolean {
  const path = process.env['PATH'] ?? '';
  if (path.split(delimiter).some((folder) => existsSync(join(folder, program)))) return true;
  const missing = `${program} is missing: apt-get install --no-install-recommends ${debianPackage}`;
  if (process.env['CI']) throw new Error(missing);
  console.warn(`Tests are skipped, as ${missing}`);
  return false;
}
