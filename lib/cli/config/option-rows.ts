/** What a configuration means: each option with its value and where the value was set. Hides secrets. */
import { formatCount } from '../../common/format.js';
import type { CheckedApp } from '../../gateway/config/check-config.ts';
import { DEFAULT_APP } from '../../options/app-name.ts';
import type { ConfigSource } from './config-source.ts';
import type { Flag } from './flag.ts';
import { FLAGS } from './flags.ts';
import { isRecord, type FlagValues, type RawConfig } from './read-flags.ts';
import { hideSecrets } from './secret-arguments.ts';

export interface OptionRow {
  /** Such as `release.concurrency` or `apps.shop.maxTime`. */
  readonly option: string;
  /** Null if there is none. */
  readonly value: string | null;
  /** A flag, a variable, the path of the file, or `default`. */
  readonly from: string;
}

export function optionRows(
  source: ConfigSource,
  apps: readonly CheckedApp[],
  tokens: readonly unknown[],
): OptionRow[] {
  const rows = FLAGS.map((flag) => flagRow(flag, source));
  const isProbeGiven = givesProbe('', rows);
  const main = isProbeGiven ? undefined : apps.find(({ app }) => app === DEFAULT_APP);
  return [
    ...rows.map((one) =>
      isDefaultProbe(one) ? { ...one, value: main?.defaultProbe ?? null } : one,
    ),
    ...tokenRow(source, tokens),
    ...appRows(source, apps, isProbeGiven),
  ];
}

function givesProbe(prefix: string, rows: readonly OptionRow[]): boolean {
  const names = [`${prefix}probe.url`, `${prefix}probe.connect`];
  return rows.some(({ option, from }) => names.includes(option) && from !== 'default');
}

function isDefaultProbe({ option, from }: OptionRow): boolean {
  return option === 'probe.url' && from === 'default';
}

function flagRow({ key, long, env, defaultText }: Flag, { values, file }: ConfigSource): OptionRow {
  const given = values.values.get(key);
  if (given !== undefined) {
    return row(key, given, values.sources.get(key) === 'env' ? env : long);
  }
  const inFile = flatten('', file).find(([name]) => name === key);
  if (inFile) return row(key, inFile[1], pathOf(values));
  return { option: key, value: defaultText ?? null, from: 'default' };
}

function tokenRow({ values }: ConfigSource, tokens: readonly unknown[]): OptionRow[] {
  if (tokens.length === 0) return [];
  const isVariable =
    process.env['ANTRACT_ADMIN_TOKEN'] !== undefined &&
    values.sources.get('adminTokenFile') !== 'cli';
  const from = isVariable ? 'ANTRACT_ADMIN_TOKEN' : 'adminTokenFile';
  return [{ option: 'adminToken', value: `${formatCount(tokens.length, 'token')} (hidden)`, from }];
}

function appRows(
  { values, file }: ConfigSource,
  apps: readonly CheckedApp[],
  isProbeGiven: boolean,
): OptionRow[] {
  const given = isRecord(file['apps']) ? file['apps'] : {};
  return Object.entries(given).flatMap(([name, app]) => {
    const prefix = `apps.${name}.`;
    const rows = flatten(prefix, app as RawConfig).map(([key, value]) =>
      row(key, value, pathOf(values)),
    );
    const { hosts = [], defaultProbe } = apps.find((one) => one.app === name) ?? {};
    const hasHosts = hosts.length === 0 || rows.some(({ option }) => option === `${prefix}hosts`);
    const hasProbe = isProbeGiven || givesProbe(prefix, rows);
    return [
      ...rows,
      ...(hasHosts ? [] : [row(`${prefix}hosts`, hosts, 'default')]),
      ...(hasProbe ? [] : [row(`${prefix}probe.url`, defaultProbe, 'default')]),
    ];
  });
}

function row(option: string, value: unknown, from: string): OptionRow {
  const text = Array.isArray(value) ? value.join(', ') : String(value);
  return { option, value: hideSecrets(option, text), from };
}

/** The path of the file, which is the only place for these options. */
function pathOf({ values }: FlagValues): string {
  return String(values.get('config'));
}

function flatten(prefix: string, options: RawConfig): [key: string, value: unknown][] {
  return Object.entries(options).flatMap(([name, value]): [string, unknown][] => {
    if (prefix === '' && name === 'apps') return [];
    return isRecord(value) ? flatten(`${prefix}${name}.`, value) : [[prefix + name, value]];
  });
}
