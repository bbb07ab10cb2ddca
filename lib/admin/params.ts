/**
 * The parameters of an admin request: from the query and, with POST, from a small body. Knows what
 * each of them may be, and no registry.
 *
 * Nothing is overlooked: a misspelt `app` that was ignored would pause another backend.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AntractError } from '../errors.ts';
import { readAppName } from '../app-name.ts';
import {
  durationWithUnit,
  isPlainObject,
  oneOf,
  text,
  unknownName,
  type Reader,
  type Readers,
} from '../validate.ts';
import type { Express, Middleware, Verify } from './express.ts';
import { ProblemError } from './problem.ts';

/** Durations are in milliseconds. */
export interface Parameters {
  readonly app: string;
  readonly max_time: number;
  readonly lease: number;
  readonly only: 'writes';
  readonly if_pause: string;
  readonly reason: string;
  readonly wait: number;
  readonly message: string;
}

export type ParameterName = keyof Parameters;

/** Which endpoint takes which. */
export const ENDPOINT_PARAMETERS = {
  enable: ['app', 'max_time', 'lease', 'only', 'reason', 'wait', 'if_pause'],
  disable: ['app', 'wait', 'if_pause'],
  stop: ['app', 'max_time', 'message', 'if_pause'],
  status: ['app'],
  drain: ['app', 'wait'],
  report: ['app'],
  traffic: ['app'],
  events: [],
  metrics: [],
  index: [],
} as const satisfies Record<string, readonly ParameterName[]>;

export type EndpointName = keyof typeof ENDPOINT_PARAMETERS;

const readers: Readers<Parameters> = {
  app: (_name, value) => readAppName(value),
  max_time: durationWithUnit({ min: 1 }),
  lease: durationWithUnit(),
  only: oneOf('writes'),
  if_pause: text(500),
  reason: text(500),
  wait: durationWithUnit(),
  message: text(500),
};

const MAX_BODY = 4096;

const NOT_UTF8 = 'Expected the body to be UTF-8, and not compressed.';

/** What was sent, by name, before anything is known of its meaning. */
type Given = readonly (readonly [name: string, value: unknown])[];

export type ParameterReader = (
  endpoint: EndpointName,
  req: IncomingMessage,
  res: ServerResponse,
) => Promise<Partial<Parameters>>;

/** Returns the reader; it rejects with what a 400, 413 or 415 has to say. */
export function createParameterReader(express: Express): ParameterReader {
  const readBody = createBodyReader(express);
  return async (endpoint, req, res) => {
    const body = await readBody(req, res);
    return readParameters(ENDPOINT_PARAMETERS[endpoint], [...queryOf(req), ...body]);
  };
}

function readParameters(known: readonly ParameterName[], given: Given): Partial<Parameters> {
  const parameters: Partial<Record<ParameterName, unknown>> = {};
  for (const [name, value] of given) {
    if (!isOneOf(known, name)) throw unknownName(name, name, known, 'parameter');
    if (name in parameters) throw givenTwice(name);
    parameters[name] = readValue(name, value);
  }
  return parameters as Partial<Parameters>;
}

function readValue(name: ParameterName, value: unknown): unknown {
  if (typeof value === 'string' && value.trim() === '') {
    throw invalid(`Expected \`${name}\` to have a value; leave it out to do without.`);
  }
  return (readers[name] satisfies Reader<unknown>)(name, value);
}

// Not `req.query`: what that makes of `app=a&app=b` or `app[x]=a` is up to the application's settings.
function queryOf(req: IncomingMessage): Given {
  const url = req.url ?? '';
  const start = url.indexOf('?');
  return start < 0 ? [] : [...new URLSearchParams(url.slice(start + 1))];
}

function createBodyReader(
  express: Express,
): (req: IncomingMessage & { body?: unknown }, res: ServerResponse) => Promise<Given> {
  const limits = { limit: MAX_BODY, inflate: false };
  const json = new WeakMap<IncomingMessage, string>();
  const verify: Verify = (req, _res, bytes, encoding) => {
    if (encoding !== 'utf-8') throw badBody(415, NOT_UTF8);
    json.set(req, bytes.toString());
  };
  const parsers = new Map<string, Middleware>([
    ['application/json', express.json({ ...limits, verify, type: ['application/json'] })],
    [
      'application/x-www-form-urlencoded',
      express.urlencoded({
        ...limits,
        extended: false,
        type: ['application/x-www-form-urlencoded'],
      }),
    ],
  ]);
  return async (req, res) => {
    if (!hasBody(req)) return [];
    if (req.method !== 'POST')
      throw invalid('Expected a GET to have its parameters in the query, not in a body.');
    const type = (req.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
    const parser = parsers.get(type);
    if (!parser) throw badBody(415, `Expected the body to be ${[...parsers.keys()].join(' or ')}.`);
    await parse(parser, req, res);
    return entriesOf(req.body, json.get(req));
  };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Does nothing when the application has parsed the body already. */
function parse(parser: Middleware, req: IncomingMessage, res: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    parser(req, res, (error) => (error === undefined ? resolve() : reject(bodyError(error))));
  });
}

/** @param json the text that the body was parsed from; undefined for a form. */
function entriesOf(body: unknown, json: string | undefined): Given {
  // Undefined where something ahead of this router has read the body and kept it.
  if (!isPlainObject(body)) {
    throw badBody(400, 'Expected the body to be a form, or JSON that is an object.');
  }
  const entries = Object.entries(body);
  for (const [name, value] of entries) {
    // A form's parser collects what was given twice in an array.
    if (Array.isArray(value)) throw givenTwice(name);
  }
  if (json !== undefined && countNames(json) > countNames(JSON.stringify(body))) {
    throw invalid('Expected each parameter to be given once, but the JSON has a name twice.');
  }
  return entries;
}

/** How many names of values valid JSON has. JSON.parse() keeps the last of those that are the same. */
function countNames(json: string): number {
  const strings = json.matchAll(/"(?:[^"\\]|\\.)*"(?<colon>\s*:)?/g);
  return [...strings].filter(({ groups }) => groups?.['colon'] !== undefined).length;
}

// The parser's own messages quote the body, so they are not passed on.
function bodyError(error: unknown): unknown {
  const { status } = error as { status?: unknown };
  if (status === 413) return badBody(413, `Expected a body of at most ${MAX_BODY} bytes.`);
  if (status === 415) return badBody(415, NOT_UTF8);
  if (status === 400)
    return badBody(400, 'The body could not be read: it is cut off or malformed.');
  return error;
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
