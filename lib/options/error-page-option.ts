/** Reads the option `errorPage`: a function, or a directory with a template for each status. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { AntractError } from '../common/errors.ts';
import { escapeHtml } from '../common/escape-html.ts';
import type { Logger } from '../common/logger.ts';
import { describeValue, expected, isPlainObject, nearest } from '../common/validate.ts';
import type { ErrorPageContent, ErrorPageContext, ErrorPageFunction } from './error-page.ts';

/** The statuses of responses that antract makes itself. */
const STATUSES: ReadonlySet<string> = new Set(
  [400, 408, 413, 421, 431, 500, 502, 503, 504].map(String),
);

type Format = ErrorPageContext['format'];
type Placeholder = Exclude<keyof ErrorPageContext, 'req' | 'format'>;

/** The placeholders, with a value for the check of a JSON template. */
const SAMPLES: Readonly<Record<Placeholder, string>> = {
  status: '503',
  code: 'ERR_ANTRACT_STOPPED',
  phase: 'stopped',
  language: 'en',
  title: 'Title',
  message: 'Message',
  note: 'Note',
  since: 'now',
  expectedEnd: '2026-01-01T00:00:00Z',
  expectedIn: 'now',
  retryAfter: '5',
  requestId: 'id',
};
const PLACEHOLDERS = Object.keys(SAMPLES);

/** Each request has these. The others may be empty. */
const ALWAYS_SET = new Set(['status', 'code', 'language', 'title', 'message']);

/** @throws AntractError `ERR_ANTRACT_OPTION`, also if a file in the directory can't be used. */
export function readErrorPage(name: string, value: unknown): ErrorPageFunction {
  if (typeof value === 'function') return value as ErrorPageFunction;
  if (typeof value !== 'string' || value.trim() === '') throw expected(name, WANTED, value);
  const pages = readDirectory(name, value);
  return (context) => pages.get(`${context.status}.${context.format}`)?.(context);
}

const WANTED = 'a directory with files such as 503.html and 503.json, or a function';

/** An error of the user's function is logged. The response then has the built-in body. */
export function guardErrorPage(
  errorPage: ErrorPageFunction | undefined,
  logger: Logger,
): ErrorPageFunction | undefined {
  if (!errorPage) return undefined;
  return (context) => {
    try {
      const content: unknown = errorPage(context);
      if (content === undefined || isContent(content)) return content;
      logger.error(
        `The \`errorPage\` function returned ${describeValue(content)}; expected { contentType, body }. The client gets the built-in response.`,
      );
    } catch (error) {
      logger.error(
        `The \`errorPage\` function threw; the client gets the built-in response: ${inspect(error)}`,
      );
    }
    return undefined;
  };
}

function isContent(content: unknown): content is ErrorPageContent {
  if (!isPlainObject(content)) return false;
  const { contentType, body } = content;
  return (
    typeof contentType === 'string' &&
    /^[\t\x20-\x7e]+$/.test(contentType) &&
    typeof body === 'string'
  );
}

type Render = (context: ErrorPageContext) => ErrorPageContent;

function readDirectory(name: string, directory: string): ReadonlyMap<string, Render> {
  const pages = new Map<string, Render>();
  for (const file of namesIn(name, directory)) {
    // A `README.md`, for example.
    if (!/^\d/.test(file)) continue;
    const [, status = '', format] = /^(\d+)\.(html|json)$/.exec(file) ?? [];
    const path = join(directory, file);
    if (!STATUSES.has(status)) {
      throw unusable(
        name,
        path,
        `its name is none of ${[...STATUSES].join(', ')} with .html or .json`,
      );
    }
    pages.set(file, readPage(name, path, format as Format));
  }
  if (pages.size === 0) throw expected(name, WANTED, directory);
  return pages;
}

function namesIn(name: string, directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    throw unusable(name, directory, (error as Error).message);
  }
}

function readPage(name: string, path: string, format: Format): Render {
  const parts = partsOf(name, path);
  const fill = (value: (placeholder: Placeholder) => string): string =>
    parts.map((part, i) => (i % 2 === 0 ? part : value(part as Placeholder))).join('');
  const escape = format === 'html' ? escapeHtml : escapeJson;
  const contentType = format === 'html' ? 'text/html; charset=utf-8' : jsonType(name, path, fill);
  return (context) => ({
    contentType,
    body: fill((placeholder) => escape(String(context[placeholder] ?? ''))),
  });
}

/** Text and placeholders in turn. */
function partsOf(name: string, path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw unusable(name, path, (error as Error).message);
  }
  const parts = text.split(/\{\{\s*([\w.-]+)\s*\}\}/);
  const unknown = parts.find((part, i) => i % 2 === 1 && !PLACEHOLDERS.includes(part));
  if (unknown === undefined) return parts;
  const suggestion = nearest(unknown, PLACEHOLDERS);
  const hint = suggestion
    ? `did you mean {{${suggestion}}}`
    : `known: ${PLACEHOLDERS.map((known) => `{{${known}}}`).join(', ')}`;
  throw unusable(name, path, `unknown placeholder {{${unknown}}}; ${hint}`);
}

/** A problem document of RFC 9457 has a `title`. */
function jsonType(
  name: string,
  path: string,
  fill: (value: (placeholder: Placeholder) => string) => string,
): string {
  try {
    JSON.parse(fill((placeholder) => (ALWAYS_SET.has(placeholder) ? SAMPLES[placeholder] : '')));
    const value: unknown = JSON.parse(fill((placeholder) => SAMPLES[placeholder]));
    return isPlainObject(value) && 'title' in value
      ? 'application/problem+json'
      : 'application/json';
  } catch (error) {
    throw unusable(
      name,
      path,
      `it is not JSON, or not if a placeholder is empty: ${(error as Error).message}`,
    );
  }
}

function unusable(name: string, path: string, why: string): AntractError {
  return new AntractError(
    'ERR_ANTRACT_OPTION',
    `Expected \`${name}\` to be ${WANTED}, but ${path} can't be used: ${why}.`,
  );
}

function escapeJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
