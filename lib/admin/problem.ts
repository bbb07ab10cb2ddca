/**
 * The error responses of the admin endpoints.
 */
import { STATUS_CODES } from 'node:http';
import { AntractError, type AntractErrorCode } from '../common/errors.ts';

export interface Problem {
  readonly status: number;
  readonly code: AntractErrorCode;
  /** A sentence for the client. */
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
}

/** Thrown where a problem can't be returned. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** The problem that an error stands for; undefined for a fault, whose details the client must not see. */
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
  detail: 'The admin endpoint failed. The log of the server has the error.',
});

/** The shape of RFC 9457. */
export function problemBody({ status, code, detail }: Problem): Record<string, string | number> {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail, code };
}
