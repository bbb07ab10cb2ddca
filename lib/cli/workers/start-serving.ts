/** Starts what `antract serve` runs: reads the configuration, opens the store, and sets up the workers. */
import type { AdminToken } from '../../admin/access/token.ts';
import { AntractError } from '../../common/errors.ts';
import type { LogRecord } from '../../common/logger.ts';
import { backendsOf, warnOfRefusals } from './backends.ts';
import { banner } from './banner.ts';
import { readAdminTokens } from '../config/admin-token.ts';
import { ConfigSource } from '../config/config-source.ts';
import { readLogFormat } from '../config/gateway-config.ts';
import { misspeltVariables } from '../config/misspelt-variables.ts';
import type { FlagValues, RawConfig } from '../config/read-flags.ts';
import { openRedisStore } from '../config/redis-option.ts';
import { warnOfSecretArguments } from '../config/secret-arguments.ts';
import { openFileStore, type StateFileSources } from '../config/state-file-option.ts';
import { setLogFormat, stderrLogger } from '../log.ts';
import type { FirstWorker } from './first-worker.ts';
import { readWorkers, runWorkers, type WorkersPlan } from './primary.ts';

/**
 * Resolves when the workers listen.
 *
 * @throws UsageError, CommandFailure, or AntractError.
 */
export async function startServing(values: FlagValues, first: FirstWorker): Promise<void> {
  const source = new ConfigSource(values);
  try {
    setLogFormat(readLogFormat(values.config['logFormat']));
    warnOfFlags(values, stderrLogger.warn);
    stderrLogger.record(await start(source, first));
  } catch (error) {
    throw source.explain(error);
  }
}

/** Warns of misspelt variables, and of secrets in the arguments. */
export function warnOfFlags(values: FlagValues, warn: (message: string) => void): void {
  for (const { name, meant } of misspeltVariables(process.env)) {
    warn(
      `WRN_ANTRACT_VARIABLE: ${name} is not a variable that antract reads. Did you mean ${meant}?`,
    );
  }
  warnOfSecretArguments(values, warn);
}

async function start(source: ConfigSource, first: FirstWorker): Promise<LogRecord> {
  const { kept, ...plan } = readPlan(source);
  const redisStore = openRedisStore(kept);
  const address = await runWorkers({
    plan,
    first,
    readPlan: () => readNextPlan(source, kept),
    explain: (error) => source.explain(error),
    store: openFileStore(fileSources(kept), stderrLogger) ?? redisStore,
  });
  const backends = backendsOf(plan.config);
  void warnOfRefusals(backends, stderrLogger);
  return banner({ ...address, backends, workers: plan.count });
}

/** The options of the store, which the primary keeps when it starts new workers. */
type StoreOptions = Readonly<Record<'redis' | 'redisPrefix' | 'stateFile', unknown>>;

export function fileSources({ stateFile, redis }: StoreOptions): StateFileSources {
  const directories = process.env['STATE_DIRECTORY'];
  return { stateFile, hasRedis: redis !== undefined, directories };
}

interface ServePlan extends WorkersPlan {
  readonly kept: StoreOptions;
}

function readPlan(source: ConfigSource): ServePlan {
  const { workers, redis, redisPrefix, stateFile, ...rest } = source.read();
  setLogFormat(readLogFormat(rest['logFormat']));
  const count = readWorkers(workers);
  const config = withTokens(rest, source.values.sources);
  return { count, config, kept: { redis, redisPrefix, stateFile } };
}

/** @throws UsageError, or AntractError if the message names an option. */
function readNextPlan(source: ConfigSource, kept: StoreOptions): WorkersPlan {
  const { kept: next, ...plan } = readPlan(source);
  for (const name of ['redis', 'redisPrefix', 'stateFile'] as const) {
    if (next[name] === kept[name]) continue;
    throw new AntractError(
      'ERR_ANTRACT_OPTION',
      `Expected \`${name}\` not to change in a reload. Restart antract to change it.`,
    );
  }
  return plan;
}

function withTokens(
  { adminTokenFile, ...rest }: RawConfig,
  sources: FlagValues['sources'],
): RawConfig {
  return { ...rest, adminToken: readTokens(adminTokenFile, sources, stderrLogger.warn) };
}

/** @throws UsageError, or AntractError if the message names an option. */
export function readTokens(
  file: unknown,
  sources: FlagValues['sources'],
  warn: (message: string) => void,
): AdminToken[] | undefined {
  const variable = process.env['ANTRACT_ADMIN_TOKEN'];
  return readAdminTokens({ file, fileSource: sources.get('adminTokenFile'), variable, warn });
}
