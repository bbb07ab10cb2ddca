/**
 * The answer of an endpoint, as text and as JSON.
 */
import { printable } from '../../common/printable.ts';

export interface Rendered {
  readonly status: number;
  readonly text: string;
  readonly json: object;
  /** For a browser that asks for HTML. */
  readonly html?: () => Page;
}

/** An answer that has only one form. */
export interface Page {
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The path where the router is mounted, for links to the next step. */
export type Base = string;

export function rendered(status: number, lines: readonly string[], json: object): Rendered {
  return { status, text: lines.map((line) => `${printable(line)}\n`).join(''), json };
}
