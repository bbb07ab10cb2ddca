/** The types of the option `errorPage`, and the values that a page can show. */
import type { IncomingMessage } from 'node:http';
import type { AntractErrorCode } from '../common/errors.ts';

/** What a response that antract makes itself says. */
export interface ErrorPageContext {
  /** The request that gets the response. */
  readonly req: IncomingMessage;
  /** `html` for a browser that navigates, otherwise `json`. */
  readonly format: 'html' | 'json';
  /** The status of the response. It can't be changed. */
  readonly status: number;
  /** docs/errors.md explains each code. */
  readonly code: AntractErrorCode;
  /** The phase of the app. Undefined if the request belongs to no app. */
  readonly phase: string | undefined;
  /** The language of the texts, such as `en`. Always `en` with the format `json`. */
  readonly language: string;
  /** A few words. */
  readonly title: string;
  /** A sentence: the operator's message, or else the built-in one. */
  readonly message: string;
  /** What a reader should know: that the page reloads, or that a form was not processed. Only with `html`. */
  readonly note: string | undefined;
  /** How long the app has been paused or stopped, such as "2 minutes ago". */
  readonly since: string | undefined;
  /** When the operator expects the pause or stop to end, in ISO 8601. */
  readonly expectedEnd: string | undefined;
  /** The same as text, such as "in 3 minutes". */
  readonly expectedIn: string | undefined;
  /** The value of `Retry-After` in seconds. */
  readonly retryAfter: number | undefined;
  /** The valid `X-Request-Id` of the request. */
  readonly requestId: string | undefined;
}

/** A body in place of the built-in one. */
export interface ErrorPageContent {
  /** Such as `text/html; charset=utf-8`. */
  readonly contentType: string;
  /** The whole body. */
  readonly body: string;
}

/** Returns undefined for the built-in body. */
export type ErrorPageFunction = (context: ErrorPageContext) => ErrorPageContent | undefined;
