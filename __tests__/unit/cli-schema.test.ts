/** The JSON Schema of the configuration file, against the flags and the documentation. */
import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { createConfigSchema, type JsonSchema } from '../../lib/cli/config/config-schema.ts';
import { interpretConfigFile } from '../../lib/cli/config/config-file.ts';
import { FLAGS } from '../../lib/cli/config/flags.ts';
import { readLogFormat, toGatewayConfig } from '../../lib/cli/config/gateway-config.ts';
import { checkConfig } from '../../lib/gateway/config/check-config.ts';
import { codeBlocks } from '../support/pages.ts';

const target = 'http://127.0.0.1:1';
const schema = createConfigSchema();
const isValid = new Ajv2020({ strictTypes: false }).compile(schema);

function configOf(key: string, value: unknown): Record<string, unknown> {
  const [name = key, inner] = key.split('.');
  const every = name === 'heartbeat' && inner !== 'every' ? { every: '1s' } : {};
  return { target, [name]: inner === undefined ? value : { ...every, [inner]: value } };
}

/** Validates as `antract serve` does. */
function read(config: Record<string, unknown>): void {
  readLogFormat(config['logFormat']);
  checkConfig(toGatewayConfig(interpretConfigFile('file', config), console));
}

describe('the schema of the configuration file', () => {
  it('has every option that a flag can set, but the file itself', () => {
    const keys = (node: JsonSchema, prefix = ''): string[] =>
      Object.entries(node.properties ?? {}).flatMap(([name, inner]) =>
        inner.properties ? keys(inner, `${prefix}${name}.`) : [prefix + name],
      );
    const wanted = FLAGS.map(({ key }) => key).filter((key) => key !== 'config');
    expect(keys(schema).sort()).toEqual([...wanted, '$schema', 'apps'].sort());
  });

  it('accepts the files of the documentation, and `$schema` in them', () => {
    const configs = codeBlocks('json')
      .filter(({ where }) => where.startsWith('docs/gateway.md'))
      .map(({ code }) => ({ ...(JSON.parse(code) as object), $schema: './schema.json' }));
    expect(configs.length).toBeGreaterThan(0);
    for (const config of configs) {
      expect([isValid(config), isValid.errors]).toEqual([true, null]);
      read(config);
    }
  });

  it('refuses what a file must not have', () => {
    const shop = { target };
    for (const config of [
      { target, maxTime: 30 },
      { target, maxTime: '30' },
      { target, mxTime: '30s' },
      { target, port: -1 },
      { target, longLived: 'never' },
      { target, spool: { memory: 'much' } },
      { target, adminPath: true },
      { target, config: 'another.json' },
      { target, apps: { shop: { hosts: ['shop'] } } },
      { target, apps: { shop: { ...shop, port: 1 } } },
    ]) {
      expect([config, isValid(config)]).toEqual([config, false]);
    }
  });

  it.each(FLAGS.filter(({ choices }) => choices).map(({ key, choices }) => ({ key, choices })))(
    'has the choices that the reader of $key accepts',
    ({ key, choices = [] }) => {
      for (const choice of choices) {
        const config = configOf(key, choice);
        expect([config, isValid(config)]).toEqual([config, true]);
        read(config);
      }
      const wrong = configOf(key, 'none of them');
      expect(isValid(wrong)).toBe(false);
      const accepted = choices.filter((choice) => choice !== 'off');
      const quote = (choice: unknown) => (typeof choice === 'string' ? `'${choice}'` : choice);
      expect(() => read(wrong)).toThrow(`to be ${accepted.map(quote).join(' or ')}, got`);
    },
  );
});
