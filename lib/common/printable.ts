/**
 * Makes text safe to print. Clients choose paths and host names, operators choose reasons, and other
 * processes report theirs.
 *
 * A control character can move the cursor of a terminal or retitle its window. A bidirectional one
 * shows the text in another order than it has (https://trojansource.codes/).
 */
import type { Logger } from './logger.ts';

/** Not the two joiners (U+200C and U+200D): Persian, Hindi and many emoji need them. */
const UNPRINTABLE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** One line. Each character that does more than stand there is replaced. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '\u{fffd}');
}

/** The same for a text of several lines. */
export function printableLines(text: string): string {
  return text.replace(UNPRINTABLE, (character) =>
    character === '\n' || character === '\t' ? character : '\u{fffd}',
  );
}

/** Escapes them as JSON does: JSON itself lets DEL and the second set of control characters stand. */
export function escapeUnprintable(text: string): string {
  return text.replace(UNPRINTABLE, (character) =>
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

/** Whether nothing in it would be replaced. */
export function isPrintable(text: string): boolean {
  return text.search(UNPRINTABLE) === -1;
}

/** Passes on only messages that are safe to print. */
export function printableLogger(logger: Logger): Logger {
  return {
    info: (message) => logger.info(printableLines(message)),
    warn: (message) => logger.warn(printableLines(message)),
    error: (message) => logger.error(printableLines(message)),
  };
}
