/** `antract serve`: runs a gateway, configured by flags, environment and file. */
import type { Command } from 'commander';
import { AntractError } from '../../common/errors.ts';
import { readAdminTokens } from '../config/admin-token.ts';
import { ConfigSource } from '../config/config-source.ts';
import { addFlags, readFlags, type FlagValues, type RawConfig } from '../config/read-flags.ts';
import { misspeltVariables } from '../config/misspelt-variables.ts';
import { openFileStore } from '../config/state-file-option.ts';
import { openRedisStore } from '../config/redis-option.ts';
import { stderrLogger } from '../run-gateway.ts';
import { warnOfSecretArguments } from '../config/secret-arguments.ts';
import { formatCount } from '../../common/format.js';
import { readWorkers, runWorkers, type WorkersPlan } from '../workers/primary.ts';

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('Run a gateway in front of a backend (--target), or of several (--config).')
    .addHelpText('after', HELP);
  addFlags(command).action(async () => {
    const values = readFlags(command);
    for (const { name, meant } of misspeltVariables(process.env)) {
      stderrLogger.warn(
        `WRN_ANTRACT_VARIABLE: ${name} is not a variable that antract reads. Did you mean ${meant}?`,
      );
    }
    warnOfSecretArguments(values, stderrLogger.warn);
    const source = new ConfigSource(values);
    try {
      stderrLogger.info(await start(source));
    } catch (error) {
      throw source.explain(error);
    }
  });
}

async function start(source: ConfigSource): Promise<string> {
  const { kept, ...plan } = readPlan(source);
  const redisStore = openRedisStore(kept);
  const directories = process.env['STATE_DIRECTORY'];
  const fileSources = {
    stateFile: kept.stateFile,
    hasRedis: redisStore !== undefined,
    directories,
  };
  const { url, adminUrl } = await runWorkers({
    plan,
    readPlan: () => readNextPlan(source, kept),
    explain: (error) => source.explain(error),
    store: openFileStore(fileSources, stderrLogger) ?? redisStore,
  });
  const many = plan.count === 1 ? '' : ` (${formatCount(plan.count, 'worker')})`;
  return `antract listens on ${url}, admin endpoints: ${adminUrl ?? 'none'}${many}`;
}

/** The options of the store, which the primary keeps when it starts new workers. */
type StoreOptions = Readonly<Record<'redis' | 'redisPrefix' | 'stateFile', unknown>>;

interface ServePlan extends WorkersPlan {
  readonly kept: StoreOptions;
}

function readPlan(source: ConfigSource): ServePlan {
  const { workers, redis, redisPrefix, stateFile, ...rest } = source.read();
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

const HELP = `
You can also set each flag in its environment variable, or in the file of --config: maxTime for
--max-time, release.perSecond for --release-per-second. The command line comes before the environment,
and the environment before the file. A duration needs a unit, such as 30s or 5m. Only 0 needs none.
Arguments show in ps: set the variable for a URL with a secret (--redis, --notify, --probe-url). An
empty variable counts as not set. A variable for a URL, an address, a path or a token must not be empty.

SIGTERM and SIGINT shut down: held requests get 503, requests in flight finish, then event
streams, long polls and WebSockets are ended so that their clients reconnect. Exit code: 0 after a
shutdown, 1 if the gateway could not start, 2 for wrong usage. A second SIGINT or SIGTERM ends it at
once, with exit code 130 or 143.

SIGHUP or \`antract reload\` starts new processes with the configuration file, tokens and code on disk.
The old processes finish their requests, also held ones. On a terminal, SIGHUP shuts down.`;

function withTokens(
  { adminTokenFile, ...rest }: RawConfig,
  sources: FlagValues['sources'],
): RawConfig {
  const adminToken = readAdminTokens({
    file: adminTokenFile,
    fileSource: sources.get('adminTokenFile'),
    variable: process.env['ANTRACT_ADMIN_TOKEN'],
    warn: stderrLogger.warn,
  });
  return { ...rest, adminToken };
}
