/**
 * Writes an answer as text, JSON or HTML, by the `Accept` header of the request.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import Negotiator from 'negotiator';
import { lingerOnClose } from '../http/lingering-close.ts';
import { MARKER, markerOf } from '../http/marker.ts';
import { printable, printableJson } from '../common/printable.ts';
import { problemBody, type Problem } from './problem.ts';
import type { Page, Rendered } from './views/rendered.ts';

export interface Answerer {
  answer(req: IncomingMessage, res: ServerResponse, answer: Rendered | Page): void;
  /** @param html for a browser that asks for HTML. */
  refuse(req: IncomingMessage, res: ServerResponse, problem: Problem, html?: () => Page): void;
}

export const answerer: Answerer = {
  answer(req, res, answer) {
    if ('body' in answer) return sendPage(res, answer);
    const { status, text, json, html } = answer;
    if (html && wantsHtml(req)) sendPage(res, html());
    else if (wantsJson(req)) send(res, status, 'application/json; charset=utf-8', toJson(json));
    else send(res, status, TEXT, text);
  },
  refuse(req, res, problem, html) {
    for (const [name, value] of Object.entries(problem.headers ?? {})) setHeader(res, name, value);
    setHeader(res, MARKER, markerOf(problem));
    if (html && wantsHtml(req)) sendPage(res, html(), problem.status);
    else if (wantsJson(req))
      send(res, problem.status, 'application/problem+json', toJson(problemBody(problem)));
    else send(res, problem.status, TEXT, `${printable(problem.detail)}\n${problem.code}\n`);
  },
};

function wantsJson(req: IncomingMessage): boolean {
  const type = new Negotiator(req).mediaType(['text/plain', ...JSON_TYPES]);
  return type !== undefined && type !== 'text/plain';
}

function wantsHtml(req: IncomingMessage): boolean {
  return new Negotiator(req).mediaType(['text/plain', 'text/html', ...JSON_TYPES]) === 'text/html';
}

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPES = ['application/json', 'application/problem+json'];

function send(res: ServerResponse, status: number, type: string, body: string): void {
  if (res.headersSent) return;
  for (const name of res.getHeaderNames()) {
    if (isUnwanted(name)) res.removeHeader(name);
  }
  // The body of the request may still be arriving, for example if its token was refused.
  if (res.req.httpVersionMajor < 2) lingerOnClose(res.req.socket);
  res.statusCode = status;
  res.setHeader('Content-Type', type);
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  res.end(body);
}

function sendPage(res: ServerResponse, { type, body, headers = {} }: Page, status = 200): void {
  for (const [name, value] of Object.entries(headers)) setHeader(res, name, value);
  send(res, status, type, body);
}

function setHeader(res: ServerResponse, name: string, value: string | string[]): void {
  if (!res.headersSent) res.setHeader(name, value);
}

/** Headers that the application sets on its own responses. Its CORS rules must not apply here. */
function isUnwanted(name: string): boolean {
  return name === 'x-powered-by' || name === 'etag' || name.startsWith('access-control-');
}

function toJson(value: object): string {
  return `${printableJson(value)}\n`;
}
