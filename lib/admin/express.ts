/**
 * Express, a peer dependency: loaded when an admin router is made and not before, so that those who
 * use the registry alone need not install it. Describes the little of it that is used, so that no
 * type of Express is part of what this package exports. Knows no endpoint.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { AntractError } from '../errors.ts';

export type Next = (error?: unknown) => void;

export type Middleware = (req: IncomingMessage, res: ServerResponse, next: Next) => void;

export interface ExpressRouter extends Middleware {
  /** What calling the router comes down to, in Express 4 and 5. */
  handle: Middleware;
  all(path: string, handler: Middleware): unknown;
  use(handler: Middleware): unknown;
}

/** Sees a body before it is parsed; an error that it throws is passed on. */
export type Verify = (
  req: IncomingMessage,
  res: ServerResponse,
  bytes: Buffer,
  encoding: string,
) => void;

interface BodyParserOptions {
  limit: number;
  inflate: boolean;
  extended?: boolean;
  type?: string[];
  verify?: Verify;
}

export interface Express {
  Router(): ExpressRouter;
  json(options: BodyParserOptions): Middleware;
  urlencoded(options: BodyParserOptions): Middleware;
  /** What Express puts under each request. Used as it is, so that a bare `node:http` request will do. */
  readonly request: { accepts(this: IncomingMessage, ...types: string[]): string | false };
}

/** Express 4.18 or later, or 5: whichever the application has installed. */
export function loadExpress(): Express {
  try {
    return createRequire(import.meta.url)('express') as Express;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw cause;
    throw new AntractError(
      'ERR_ANTRACT_OPTION',
      'admin() needs Express, a peer dependency of antract: `npm install express`.',
      { status: 500, cause },
    );
  }
}
