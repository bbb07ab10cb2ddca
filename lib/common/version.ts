/** The version of this package. */
import { createRequire } from 'node:module';

export function readVersion(): string {
  return (createRequire(import.meta.url)('antract/package.json') as { version: string }).version;
}
