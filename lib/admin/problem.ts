/**
 * What the admin endpoints answer when they do not do what was asked. Values and types only.
 */
import { STATUS_CODES } from 'node:http';
import { AntractError, type AntractErrorCode } from '../common/errors.ts';

export interface Problem {
  readonly status: number;
  readonly code: AntractErrorCode;
  /** A sentence for whoever asked. */
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
}

/** Thrown where a problem is found too deep down to hand it back. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** The problem that an error stands for; undefined for a fault, of which nobody outside is told. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof AntractError) {
    return { status: error.status, code: error.code, detail: error.message };
  }
  return undefined;
}

export const FAULT: Problem = Object.freeze({
  status: 500,
  code: 'ERR_ANTRACT_ADMIN_FAULT',
  detail: 'Something went wrong here; the log says what.',
});

/** The shape of RFC 9457. */
export function problemBody({ status, code, detail }: Problem): Record<string, string | number> {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail, code };
}
