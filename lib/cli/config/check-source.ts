/** Validates a configuration as `serve` does, without starting anything, and collects every mistake. */
import { describeValue } from '../../common/validate.ts';
import { checkConfig, type CheckedApp } from '../../gateway/config/check-config.ts';
import { stderrLogger } from '../log.ts';
import { readWorkers } from '../workers/primary.ts';
import { fileSources, readTokens, warnOfFlags } from '../workers/start-serving.ts';
import { interpretConfigFile } from './config-file.ts';
import { ConfigSource } from './config-source.ts';
import { isMistake, validateAll } from './find-mistakes.ts';
import { findUnusable } from './find-unusable.ts';
import { FLAGS } from './flags.ts';
import { readLogFormat, toGatewayConfig } from './gateway-config.ts';
import type { FlagValues, RawConfig } from './read-flags.ts';
import { openRedisStore } from './redis-option.ts';
import { readStateFilePath } from './state-file-option.ts';

/** A value that its flag can't parse. */
export interface InvalidValue {
  readonly key: string;
  readonly text: string;
  /** Such as `Expected a number.` */
  readonly expected: string;
}

export interface Checked {
  /** `serve` refuses these as wrong usage. */
  readonly mistakes: readonly string[];
  /** Why the state file or Redis can't be used now. */
  readonly unusable: readonly string[];
  readonly warnings: readonly string[];
  /** Undefined if the file can't be read. */
  readonly source: ConfigSource | undefined;
  readonly apps: readonly CheckedApp[];
  readonly tokens: readonly unknown[];
}

/** @param probesRedis whether to connect to Redis. */
export async function checkSource(
  values: FlagValues,
  invalid: readonly InvalidValue[],
  probesRedis: boolean,
): Promise<Checked> {
  const mistakes = new Set(invalid.map((one) => invalidText(one, values)));
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  warnOfFlags(values, warn);
  let source: ConfigSource | undefined;
  let config: RawConfig;
  const report = (error: unknown): void => {
    const explained = source?.explain(error) ?? error;
    if (!isMistake(explained)) throw explained;
    mistakes.add(explained.message);
  };
  try {
    source = new ConfigSource(values);
    config = source.read(
      (path, file) => validateAll(file, (rest) => interpretConfigFile(path, rest), report) ?? {},
    );
  } catch (error) {
    report(error);
    const nothing = { unusable: [], source: undefined, apps: [], tokens: [] };
    return { mistakes: [...mistakes], warnings, ...nothing };
  }
  const { workers, redis, redisPrefix, stateFile, adminTokenFile, logFormat, ...rest } = config;
  const all = <T>(options: RawConfig, validate: (options: RawConfig) => T): T | undefined =>
    validateAll(options, validate, report);
  all({ workers }, (options) => readWorkers(options['workers']));
  all({ logFormat }, (options) => readLogFormat(options['logFormat']));
  const tokens = all({ adminTokenFile }, (options) =>
    readTokens(options['adminTokenFile'], values.sources, warn),
  );
  const store = all({ redis, redisPrefix }, (options) =>
    openRedisStore({ redis: options['redis'], redisPrefix: options['redisPrefix'] }),
  );
  const path = all({ redis, stateFile }, (options) =>
    readStateFilePath(
      fileSources({ redis: options['redis'], redisPrefix, stateFile: options['stateFile'] }),
    ),
  );
  // Without its tokens, the configuration would have a second mistake.
  const adminToken = tokens ?? (hasTokens(config) ? ['placeholder'] : undefined);
  const apps = all({ ...rest, adminToken }, (options) =>
    checkConfig(toGatewayConfig(options, stderrLogger)),
  );
  const unusable = await findUnusable({ stateFile: path, redis: probesRedis ? store : undefined });
  await store?.close();
  return {
    mistakes: [...mistakes],
    unusable: unusable.map((error) => (source.explain(error) as Error).message),
    warnings,
    source,
    apps: apps ?? [],
    tokens: tokens ?? [],
  };
}

function hasTokens({ adminTokenFile }: RawConfig): boolean {
  return adminTokenFile !== undefined || process.env['ANTRACT_ADMIN_TOKEN'] !== undefined;
}

function invalidText({ key, text, expected }: InvalidValue, { sources }: FlagValues): string {
  const flag = FLAGS.find((one) => one.key === key);
  const name = sources.get(key) === 'env' ? flag?.env : flag?.long;
  const wanted = expected.replace(/^Expected (.*)\.$/, '$1');
  return `Expected \`${name}\` to be ${wanted}, got ${describeValue(text)}.`;
}
