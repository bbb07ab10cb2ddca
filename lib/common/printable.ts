/**
 * Makes text safe to print. Clients choose paths and host names, operators choose reasons, and other
 * processes report theirs. {@link printable} says which characters are replaced, and why.
 */
import { printable } from './format.js';
import type { Logger } from './logger.ts';

export { printable } from './format.js';

/** Several lines. */
export function printableLines(text: string): string {
  return printable(text, (character) =>
    character === '\n' || character === '\t' ? character : '\u{fffd}',
  );
}

/** Escapes as JSON does, which itself leaves DEL and the second set of control characters as they are. */
export function escapeUnprintable(text: string): string {
  return printable(text, (character) =>
    // Some take two code units.
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** JSON on one line. */
export function printableJson(value: unknown): string {
  return escapeUnprintable(JSON.stringify(value));
}

/** Whether {@link printable} would change nothing. */
export function isPrintable(text: string): boolean {
  return printable(text) === text;
}

/** Makes every message safe to print before it reaches `logger`, except the fields of a record. */
export function printableLogger(logger: Logger): Logger {
  return {
    info: (message) => logger.info(printableLines(message)),
    warn: (message) => logger.warn(printableLines(message)),
    error: (message) => logger.error(printableLines(message)),
    record(record) {
      const message = printableLines(record.message);
      if (logger.record) logger.record({ ...record, message });
      else logger[record.level](message);
    },
  };
}
