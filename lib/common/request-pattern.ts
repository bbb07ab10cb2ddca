/**
 * Which requests a pattern such as `/db/_changes?feed=longpoll` names: a path, and parameters that the
 * query must have. Pure.
 */
import { isPlainPath, pathOf, queryOf, type RequestLine } from './request.ts';

export interface RequestPattern {
  /** `*` stands for any one segment. */
  readonly segments: readonly string[];
  /** An empty value stands for any value. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

/** Undefined for text that is no pattern. */
export function readRequestPattern(text: string): RequestPattern | undefined {
  const start = text.indexOf('?');
  const path = start < 0 ? text : text.slice(0, start);
  const query = start < 0 ? undefined : text.slice(start + 1);
  if (!isPlainPath(path) || (query !== undefined && !/^[\x21\x22\x24-\x7e]+$/.test(query))) {
    return undefined;
  }
  return { segments: path.split('/'), parameters: [...new URLSearchParams(query)] };
}

/** Other parameters, and their order, make no difference. */
export function matchesPattern(
  { segments, parameters }: RequestPattern,
  request: RequestLine,
): boolean {
  const given = pathOf(request).split('/');
  if (given.length !== segments.length) return false;
  if (!segments.every((wanted, i) => wanted === '*' || wanted === given[i])) return false;
  if (parameters.length === 0) return true;
  const query = new URLSearchParams(queryOf(request));
  return parameters.every(([name, wanted]) => {
    const values = query.getAll(name);
    // Of a parameter with two values it can't be known which one the backend takes.
    return values.length > 0 && (wanted === '' || values.every((value) => value === wanted));
  });
}
