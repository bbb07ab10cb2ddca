/** The JSON Schema of the configuration file, made from the flags. */
import { GATEWAY_APP_OPTION_NAMES } from '../../gateway/config/read-config.ts';
import type { Flag } from './flag.ts';
import { FLAGS } from './flags.ts';

export interface JsonSchema {
  [keyword: string]: unknown;
  properties?: Record<string, JsonSchema>;
}

export function createConfigSchema(): JsonSchema {
  // A file can't name another file.
  const flags = FLAGS.filter(({ key }) => key !== 'config');
  const ofApps = flags.filter(({ key }) =>
    GATEWAY_APP_OPTION_NAMES.includes(key.split('.')[0] as string),
  );
  const app = objectOf(ofApps, {
    hosts: {
      description: "host names without ports (default: the app's name)",
      type: 'array',
      items: { type: 'string' },
    },
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Configuration of `antract serve`',
    ...objectOf(flags, {
      $schema: { description: 'this schema, for editors', type: 'string' },
      apps: {
        description: 'apps by name',
        type: 'object',
        additionalProperties: { ...app, required: ['target'] },
      },
    }),
  };
}

function objectOf(flags: readonly Flag[], others: Record<string, JsonSchema>): JsonSchema {
  const schema = { type: 'object', properties: { ...others }, additionalProperties: false };
  for (const flag of flags) {
    const [name = flag.key, inner] = flag.key.split('.');
    const value = { description: flag.option.description, ...typeOf(flag) };
    if (inner === undefined) schema.properties[name] = value;
    else ((schema.properties[name] ??= objectOf([], {})).properties ??= {})[inner] = value;
  }
  return schema;
}

/** Options with values that their flag can't have, or has in another way. */
const TYPES: Readonly<Record<string, JsonSchema>> = {
  adminPath: { type: ['string', 'boolean'], not: { const: true } },
  healthCheckPath: oneOrMore(),
  isLongLived: oneOrMore(),
  workers: { anyOf: [{ type: 'integer', minimum: 1 }, { type: 'string' }] },
};

function typeOf({ key, value, choices }: Flag): JsonSchema {
  const own = TYPES[key];
  if (own) return own;
  if (choices) return { enum: choices };
  switch (value) {
    case '<duration>':
      // Only 0 needs no unit.
      return { type: ['string', 'number'], pattern: '^(0|.*[a-zA-Z])$', maximum: 0, minimum: 0 };
    case '<size>':
      return {
        type: ['string', 'integer'],
        minimum: 0,
        pattern: '^ *\\d+(\\.\\d+)? ?([kKmMgGtT]?i?[bB])? *$',
      };
    case '<number>':
      return { type: 'number', minimum: 0 };
    case '[boolean]':
      return { type: 'boolean' };
    default:
      return { type: 'string', minLength: 1 };
  }
}

function oneOrMore(): JsonSchema {
  return { type: ['string', 'array'], items: { type: 'string' } };
}
