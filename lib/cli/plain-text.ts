/**
 * What a server said, made fit for a terminal. Knows no server.
 *
 * Paths and host names come from clients. A control character among them could move the cursor, or
 * retitle the window; a bidirectional one shows the text in another order than it has.
 */

/** Each character that does more than stand there, replaced. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{fffd}');
}

/** JSON on one line. JSON itself lets DEL and the second set of control characters stand. */
export function plainJson(value: unknown): string {
  return JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    // Some take two code units.
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
