/** What the response to a rejected request says: its texts in the language of the client, and its times. */
import type { IncomingMessage } from 'node:http';
import Negotiator from 'negotiator';
import { isoTime } from '../../common/clock.ts';
import type { PauseTimes } from '../../gate/phase.ts';
import type { ErrorPageContent, ErrorPageContext } from '../../options/error-page.ts';
import { wantsPage } from '../navigation.ts';
import type { Origin, RejectionResponse } from '../rejection-response.ts';
import { requestIdOf } from '../request-id.ts';
import { builtInPage } from './built-in-page.ts';
import { LANGUAGES, PHRASES, relativeTime, type Language, type Phrases } from './languages.ts';

export interface RejectionText {
  readonly rejection: RejectionResponse;
  readonly context: ErrorPageContext;
  readonly language: Language;
  /** Seconds until the page reloads itself; undefined if it does not. */
  readonly reloadAfter: number | undefined;
}

/** Seconds. The reader of a page wants to know soon when the service is back. */
const LONGEST_RELOAD = 30;

export function describeRejection(
  req: IncomingMessage,
  rejection: RejectionResponse,
  { clock, phase }: Origin,
): RejectionText {
  const { status, code, times, retryAfter } = rejection;
  const random = clock.random();
  const isPage = wantsPage(req);
  const language = isPage ? languageFor(req, rejection) : 'en';
  const reloadAfter =
    isPage && retryAfter !== undefined && !hasSent(req)
      ? spread(rejection.reloadAfter ?? Math.min(retryAfter, LONGEST_RELOAD), random)
      : undefined;
  const [title, detail] = textsIn(language, rejection);
  const expectedIn = futureOf(times?.expectedEndInMs);
  const context: ErrorPageContext = {
    req,
    format: isPage ? 'html' : 'json',
    status,
    code,
    phase,
    language,
    title,
    message: rejection.message ?? detail,
    note: isPage ? noteFor(req, reloadAfter, PHRASES[language]) : undefined,
    since: times && relativeTime(language, -times.sinceMs),
    expectedEnd: expectedIn === undefined ? undefined : isoTime(clock.date() + expectedIn),
    expectedIn: expectedIn === undefined ? undefined : relativeTime(language, expectedIn),
    retryAfter: retryAfter === undefined ? undefined : spread(retryAfter, random),
    requestId: requestIdOf(req),
  };
  return { rejection, context, language, reloadAfter };
}

/** The body where the operator has none for this response. */
export function builtInContent(text: RejectionText): ErrorPageContent {
  const { context, language, rejection } = text;
  if (context.format === 'json') {
    return { contentType: 'application/problem+json', body: problem(context) };
  }
  const body = builtInPage({
    ...context,
    isOwnMessage: rejection.message !== undefined,
    times: timeLines(rejection.times, context, PHRASES[language]),
  });
  return { contentType: 'text/html; charset=utf-8', body };
}

/** RFC 9457. */
function problem({ title, status, message, code, expectedEnd }: ErrorPageContext): string {
  const document = { type: 'about:blank', title, status, detail: message, code, expectedEnd };
  return `${JSON.stringify(document)}\n`;
}

function languageFor(req: IncomingMessage, { topic }: RejectionResponse): Language {
  const known = topic && new Negotiator(req).language([...LANGUAGES]);
  return (known as Language | undefined) ?? 'en';
}

function textsIn(language: Language, { topic, title, detail }: RejectionResponse) {
  return (topic && PHRASES[language].topics?.[topic]) ?? ([title, detail] as const);
}

/** The page for a form must not reload: the GET would hide that the form data was not processed. */
function hasSent({ method }: IncomingMessage): boolean {
  return method !== 'GET' && method !== 'HEAD';
}

function noteFor(
  req: IncomingMessage,
  reloadAfter: number | undefined,
  phrases: Phrases,
): string | undefined {
  if (hasSent(req)) return phrases.notProcessed;
  return reloadAfter === undefined ? undefined : phrases.reloads;
}

function timeLines(
  times: PauseTimes | undefined,
  { language, since, expectedIn }: ErrorPageContext,
  phrases: Phrases,
): string[] {
  const endsInMs = futureOf(times?.endsInMs);
  return [
    ...(since === undefined ? [] : [`${phrases.since}${since}`]),
    ...(expectedIn === undefined ? [] : [`${phrases.expectedEnd}${expectedIn}`]),
    ...(expectedIn !== undefined || endsInMs === undefined
      ? []
      : [`${phrases.latestEnd}${relativeTime(language, endsInMs)}`]),
  ];
}

/** Undefined for a time that is over, or that never comes. */
function futureOf(ms: number | undefined): number | undefined {
  return ms !== undefined && ms > 0 && ms < Infinity ? ms : undefined;
}

/**
 * Adds up to a quarter, or up to 5 s if that is more, so that clients that were rejected together don't
 * return together.
 *
 * @param random from 0 to less than 1.
 */
function spread(seconds: number, random: number): number {
  const width = Math.max(Math.ceil(seconds / 4), Math.min(seconds, 5));
  return seconds + Math.floor(random * (width + 1));
}
