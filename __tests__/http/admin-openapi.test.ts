/** `docs/openapi.json` against a running router: its endpoints, their parameters, and their responses. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { readFileSync } from 'node:fs';
import { MemoryStore } from '../../lib/index.ts';
import { enter } from '../support/gate.ts';
import { closeAll, listen, request } from '../support/http.ts';
import { createOpenAntract } from '../support/open-registry.ts';
import { silentLogger } from '../support/silent-logger.ts';

afterEach(closeAll);

interface Schema {
  [keyword: string]: unknown;
}

interface Operation {
  readonly responses: Readonly<Record<string, { content: Record<string, { schema: Schema }> }>>;
}

interface Document {
  readonly paths: Record<string, { parameters?: { $ref: string }[]; get: Operation }>;
  readonly components: {
    readonly parameters: Record<string, { name: string; schema: { enum?: string[] } }>;
    readonly responses: Record<string, { content: Record<string, { schema: Schema }> }>;
    readonly schemas: Record<string, Schema>;
  };
}

const text = readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8');
const { paths, components } = JSON.parse(text) as Document;

/** Other schemas are combined with these, and have further fields. */
const OPEN = ['Status', 'CommandResult'];

/** Refuses fields that the document does not name. */
const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addSchema({ $id: 'api:', components: { schemas: closed(components.schemas) } });

function closed(schemas: Record<string, Schema>): Record<string, Schema> {
  const close = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(close);
    if (typeof node !== 'object' || node === null) return node;
    const inner = Object.entries(node).map(([key, value]) => [key, close(value)] as const);
    const isObject = 'properties' in node && (node as Schema)['type'] === 'object';
    return { ...Object.fromEntries(inner), ...(isObject && { additionalProperties: false }) };
  };
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [
      name,
      OPEN.includes(name) ? schema : (close(schema) as Schema),
    ]),
  );
}

function validatorOf(schema: Schema): ValidateFunction {
  const whole = JSON.stringify({ ...schema, unevaluatedProperties: false });
  return ajv.compile(JSON.parse(whole.replaceAll('"#/components', '"api:#/components')) as Schema);
}

/** What the document says of this response. */
function schemaOf(path: string, status: number): Schema {
  const described = paths[path]?.get.responses[status] ?? components.responses['Problem'];
  return Object.values(described?.content ?? {})[0]?.schema ?? {};
}

async function start(options: { store?: MemoryStore } = {}) {
  const antract = createOpenAntract({ logger: silentLogger, apps: { shop: {} }, ...options });
  await antract.ready();
  const reload = async () => ({ started: 1, leaving: 2 });
  const admin = antract.admin({ reload });
  const { url } = await listen((req, res) => admin(req, res));
  const ask = async (path: string, method = 'GET') => {
    const headers = { accept: 'application/json' };
    const { status, body } = await request(url + path, { method, headers });
    return { status, json: JSON.parse(body) as unknown };
  };
  return { antract, ask };
}

describe('docs/openapi.json', () => {
  it('is a valid document of OpenAPI 3.1', async () => {
    const validator = new Validator();
    expect(await validator.validate(text)).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
  });

  it('has the endpoints of the router, each with its parameters', async () => {
    const { ask } = await start();
    const { endpoints } = (await ask('/')).json as {
      endpoints: { path: string; parameters: string[] }[];
    };
    const documented = Object.entries(paths).map(([path, { parameters = [] }]) => ({
      path,
      parameters: parameters.map(({ $ref }) => $ref.split('/').at(-1)),
    }));
    const byPath = (a: { path: string }, b: { path: string }) => (a.path < b.path ? -1 : 1);
    expect(documented.sort(byPath)).toEqual(
      endpoints.map(({ path, parameters }) => ({ path, parameters })).sort(byPath),
    );
    for (const [name, parameter] of Object.entries(components.parameters)) {
      expect(parameter.name).toBe(name);
    }
  });

  it.each([
    ['one process', {}],
    ['a store', { store: new MemoryStore() }],
  ])('describes the real responses of %s, with every field', async (_title, options) => {
    const { antract, ask } = await start(options);
    enter(antract.core.gate('shop'));
    const seen = new Map<string, Set<number>>();
    for (const [url, status, method = 'GET'] of [
      ['/report?app=shop', 200],
      ['/enable?app=shop&reason=deploy&lease=1m&expect=1m', 200, 'POST'],
      ['/enable?app=shop&wait=1ms', 202],
      ['/drain?app=shop&wait=1ms', 202],
      ['/drain?app=default', 409],
      ['/enable?only=writes', 200],
      ['/status', 200],
      ['/status?app=shop', 200],
      ['/traffic?app=shop', 200],
      ['/disable?app=shop&if_pause=x', 409],
      ['/disable?app=shop', 200],
      ['/report?app=shop', 200],
      ['/stop?app=shop&message=later', 200],
      ['/status?app=shop', 200],
      ['/history', 200],
      ['/history?app=shop', 200],
      ['/transitions', 200],
      ['/reload', 200],
      ['/', 200],
      ['/status?apps=shop', 400],
      ['/status', 405, 'PUT'],
    ] as const) {
      const answer = await ask(url, method);
      const path = url.split('?')[0] as string;
      const validate = validatorOf(schemaOf(path, answer.status));
      validate(answer.json);
      expect([url, answer.status, validate.errors]).toEqual([url, status, null]);
      seen.set(path, (seen.get(path) ?? new Set()).add(status));
    }
    // The other two are not JSON.
    expect([...seen.keys(), '/events', '/metrics'].sort()).toEqual(Object.keys(paths).sort());
    await antract.close();
  });
});
