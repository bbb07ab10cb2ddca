/** Reads a regular expression from text, as on the command line and in JSON. */
export const TEXT_OR_REGEXP = 'a text, or a regular expression between slashes';

/** Returns undefined if the regular expression is invalid. */
export function readTextOrRegExp(text: string): string | RegExp | undefined {
  const [, source, flags] = /^\/(.+)\/([a-z]*)$/.exec(text) ?? [];
  if (source === undefined) return text;
  try {
    return new RegExp(source, flags);
  } catch {
    return undefined;
  }
}
