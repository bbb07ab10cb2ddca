/**
 * Reads the parameters of an admin request: from the query and, with POST, from a small body.
 *
 * Every unknown name is an error: if a misspelt `app` were ignored, another backend would be paused.
 */
import type { IncomingMessage } from 'node:http';
import { AntractError } from '../common/errors.ts';
import { hasBody } from '../common/request.ts';
import { readAppName } from '../options/app-name.ts';
import {
  durationWithUnit,
  isPlainObject,
  oneOf,
  text,
  unknownName,
  type Reader,
  type Readers,
} from '../common/validate.ts';
import { ProblemError } from './problem.ts';

/** Durations are in milliseconds. */
export interface RequestParameters {
  readonly app: string;
  readonly max_time: number;
  readonly lease: number;
  readonly expect: number;
  readonly only: 'writes';
  readonly if_pause: string;
  readonly reason: string;
  readonly wait: number;
  readonly lost: 'ignore';
  readonly message: string;
}

export type ParameterName = keyof RequestParameters;

/** The parameters of each endpoint. */
export const ENDPOINT_PARAMETERS = {
  enable: ['app', 'max_time', 'lease', 'expect', 'only', 'reason', 'wait', 'lost', 'if_pause'],
  disable: ['app', 'wait', 'if_pause'],
  stop: ['app', 'max_time', 'expect', 'message', 'if_pause'],
  status: ['app'],
  drain: ['app', 'wait', 'lost'],
  report: ['app'],
  traffic: ['app'],
  history: ['app'],
  transitions: ['app'],
  events: [],
  metrics: [],
  reload: [],
  index: [],
} as const satisfies Record<string, readonly ParameterName[]>;

export type EndpointName = keyof typeof ENDPOINT_PARAMETERS;

const readers: Readers<RequestParameters> = {
  app: (_name, value) => readAppName(value),
  max_time: durationWithUnit({ min: 1 }),
  lease: durationWithUnit(),
  expect: durationWithUnit(),
  only: oneOf('writes'),
  if_pause: text(500),
  reason: text(500),
  lost: oneOf('ignore'),
  wait: durationWithUnit(),
  message: text(500),
};

const MAX_BODY = 4096;

const NOT_UTF8 = 'Expected the body to be UTF-8, and not compressed.';
const UNREADABLE = 'The body could not be read: it is cut off or malformed.';

/** The parameters as they were sent, not yet checked. */
type Given = readonly (readonly [name: string, value: unknown])[];

/** `body` is set if a parser of the application has read the body. */
type ParsedRequest = IncomingMessage & { body?: unknown };

/** @throws AntractError, ProblemError for a response with 400, 413 or 415. */
export async function readRequest(
  endpoint: EndpointName,
  req: ParsedRequest,
): Promise<Partial<RequestParameters>> {
  const body = await bodyOf(req);
  return readParameters(ENDPOINT_PARAMETERS[endpoint], [...readQuery(req), ...body]);
}

function readParameters(known: readonly ParameterName[], given: Given): Partial<RequestParameters> {
  const parameters: Partial<Record<ParameterName, unknown>> = {};
  for (const [name, value] of given) {
    if (!isOneOf(known, name)) throw unknownName(name, name, known, 'parameter');
    if (name in parameters) throw givenTwice(name);
    parameters[name] = readValue(name, value);
  }
  return parameters as Partial<RequestParameters>;
}

function readValue(name: ParameterName, value: unknown): unknown {
  if (typeof value === 'string' && value.trim() === '') {
    throw invalid(`Expected \`${name}\` to have a value; leave it out to do without.`);
  }
  return (readers[name] satisfies Reader<unknown>)(name, value);
}

// Not `req.query`: how it reads `app=a&app=b` or `app[x]=a` depends on the application's settings.
function readQuery(req: IncomingMessage): Given {
  const url = req.url ?? '';
  const start = url.indexOf('?');
  return start < 0 ? [] : [...new URLSearchParams(url.slice(start + 1))];
}

/** The parameters in the body, if there is one. */
async function bodyOf(req: ParsedRequest): Promise<Given> {
  if (!hasBody(req)) return [];
  if (req.method !== 'POST')
    throw invalid('Expected a GET to have its parameters in the query, not in a body.');
  const [type = '', ...parameters] = (req.headers['content-type'] ?? '').toLowerCase().split(';');
  const parse = PARSERS.get(type.trim());
  if (!parse) throw badBody(415, `Expected the body to be ${[...PARSERS.keys()].join(' or ')}.`);
  // The application has read the stream already, and may have parsed it.
  if (!req.readable) return entriesOf(req.body);
  if (!isPlainUtf8(req, parameters)) throw badBody(415, NOT_UTF8);
  const text = await readText(req);
  return text.trim() === '' ? [] : parse(text);
}

function isPlainUtf8({ headers }: IncomingMessage, parameters: readonly string[]): boolean {
  const charset = parameters.map((one) => /^\s*charset="?([^"\s]*)/.exec(one)?.[1]).find(Boolean);
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  return encoding === 'identity' && (charset === undefined || charset === 'utf-8');
}

/** @throws ProblemError if the body is too large or is cut off. The response can still be sent. */
function readText(req: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const cutOff = (): void => reject(badBody(400, UNREADABLE));
    const collect = (chunk: Buffer): void => {
      size += chunk.length;
      if (size <= MAX_BODY) chunks.push(chunk);
      else reject(badBody(413, `Expected a body of at most ${MAX_BODY} bytes.`));
    };
    req
      .on('data', collect)
      .once('end', () => resolve(Buffer.concat(chunks).toString()))
      .once('error', cutOff)
      .once('close', cutOff);
  });
}

const PARSERS: ReadonlyMap<string, (text: string) => Given> = new Map([
  ['application/json', parseJson],
  ['application/x-www-form-urlencoded', (text) => [...new URLSearchParams(text)]],
]);

function parseJson(text: string): Given {
  const entries = entriesOf(fromJson(text));
  if (countNames(text) > countNames(JSON.stringify(Object.fromEntries(entries)))) {
    throw invalid('Expected each parameter to be given once, but the JSON has a name twice.');
  }
  return entries;
}

// The parser's own message quotes the body, so the client does not get it.
function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw badBody(400, UNREADABLE);
  }
}

function entriesOf(body: unknown): Given {
  // Undefined if a middleware ahead of this router has read the body without parsing it.
  if (!isPlainObject(body)) {
    throw badBody(400, 'Expected the body to be a form, or JSON that is an object.');
  }
  const entries = Object.entries(body);
  for (const [name, value] of entries) {
    // A form parser collects repeated values in an array.
    if (Array.isArray(value)) throw givenTwice(name);
  }
  return entries;
}

/** How many names valid JSON has. JSON.parse() silently keeps the last of several equal names. */
function countNames(json: string): number {
  const strings = json.matchAll(/"(?:[^"\\]|\\.)*"(?<colon>\s*:)?/g);
  return [...strings].filter(({ groups }) => groups?.['colon'] !== undefined).length;
}

function isOneOf(known: readonly ParameterName[], name: string): name is ParameterName {
  return (known as readonly string[]).includes(name);
}

function givenTwice(name: string): AntractError {
  return invalid(`Expected \`${name}\` to be given once, with one value and no list.`);
}

function invalid(detail: string): AntractError {
  return new AntractError('ERR_ANTRACT_OPTION', detail);
}

function badBody(status: number, detail: string): ProblemError {
  return new ProblemError({ status, code: 'ERR_ANTRACT_ADMIN_BODY', detail });
}
