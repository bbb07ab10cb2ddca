/**
 * Regular expressions, as they are written where there is only text: on the command line and in JSON.
 * Pure.
 */
export const TEXT_OR_REGEXP = 'a text, or a regular expression between slashes';

/** Undefined for a regular expression that is none. */
export function readTextOrRegExp(given: string): string | RegExp | undefined {
  const [, source, flags] = /^\/(.+)\/([a-z]*)$/.exec(given) ?? [];
  if (source === undefined) return given;
  try {
    return new RegExp(source, flags);
  } catch {
    return undefined;
  }
}
