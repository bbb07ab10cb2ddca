/**
 * Matches requests by a pattern such as `/db/_changes?feed=longpoll`: a path, and parameters that the query must
 * have.
 */
import { isPlainPath, pathOf, queryOf, type RequestLine } from './request.ts';

export interface RequestPattern {
  /** `*` matches any one segment. */
  readonly segments: readonly string[];
  /** An empty value matches any value. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

/** Undefined if the text is not a pattern. */
export function readRequestPattern(text: string): RequestPattern | undefined {
  const start = text.indexOf('?');
  const path = start < 0 ? text : text.slice(0, start);
  const query = start < 0 ? undefined : text.slice(start + 1);
  if (!isPlainPath(path) || (query !== undefined && !/^[\x21\x22\x24-\x7e]+$/.test(query))) {
    return undefined;
  }
  return { segments: path.split('/'), parameters: [...new URLSearchParams(query)] };
}

/** Ignores other parameters, and the order of parameters. */
export function matchesPattern(
  { segments, parameters }: RequestPattern,
  request: RequestLine,
): boolean {
  const given = pathOf(request).split('/');
  if (given.length !== segments.length) return false;
  if (!segments.every((expected, i) => expected === '*' || expected === given[i])) return false;
  if (parameters.length === 0) return true;
  const query = new URLSearchParams(queryOf(request));
  return parameters.every(([name, expected]) => {
    const values = query.getAll(name);
    // If a parameter has two values, the backend may use either one.
    return values.length > 0 && (expected === '' || values.every((value) => value === expected));
  });
}
