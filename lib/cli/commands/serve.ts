/** `antract serve`: runs a gateway, configured by flags, environment and file. */
import type { Command } from 'commander';
import { AntractError } from '../../common/errors.ts';
import { readAdminTokens } from '../config/admin-token.ts';
import { readConfigFile } from '../config/config-file.ts';
import { UsageError } from '../cli-error.ts';
import {
  addFlags,
  merge,
  readFlags,
  type FlagValues,
  type RawConfig,
} from '../config/read-flags.ts';
import { toGatewayConfig } from '../config/gateway-config.ts';
import { misspeltVariables } from '../config/misspelt-variables.ts';
import { openFileStore } from '../config/state-file-option.ts';
import { openRedisStore } from '../config/redis-option.ts';
import { runGateway, stderrLogger } from '../run-gateway.ts';
import { warnOfSecretArguments } from '../config/secret-arguments.ts';
import { withOptionNames } from '../config/option-names.ts';
import { formatCount } from '../../common/format.js';
import { readWorkers, runWorkers } from '../workers/primary.ts';

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
    const { config, ...flags } = values.config;
    const path = config as string | undefined;
    if (path?.trim() === '') {
      const name = values.sources.get('config') === 'env' ? 'ANTRACT_CONFIG' : '--config';
      throw new UsageError(`Expected \`${name}\` to be a path.`);
    }
    const file = path === undefined ? {} : readConfigFile(path);
    try {
      stderrLogger.info(await start(merge(file, flags), values));
    } catch (error) {
      if (!(error instanceof AntractError)) throw error;
      throw new UsageError(withOptionNames(error.message, { ...values, file, path }), {
        cause: error,
      });
    }
  });
}

async function start(raw: RawConfig, { values, sources }: FlagValues): Promise<string> {
  const { workers, redis, redisPrefix, stateFile, ...rest } = raw;
  const count = readWorkers(workers);
  const config = withTokens(rest, sources);
  warnOfSecretArguments({ values, sources }, stderrLogger.warn);
  const redisStore = openRedisStore({ redis, redisPrefix });
  const directories = process.env['STATE_DIRECTORY'];
  const fileSources = { stateFile, hasRedis: redisStore !== undefined, directories };
  const store = openFileStore(fileSources, stderrLogger) ?? redisStore;
  const { url, adminUrl } =
    count === undefined
      ? await runGateway({ ...toGatewayConfig(config, stderrLogger), store })
      : await runWorkers({ count, config, store });
  const many = count === undefined ? '' : ` (${formatCount(count, 'worker')})`;
  return `antract listens on ${url}, admin endpoints: ${adminUrl ?? 'none'}${many}`;
}

const HELP = `
You can also set each flag in its environment variable, or in the file of --config: maxTime for
--max-time, release.perSecond for --release-per-second. The command line comes before the environment,
and the environment before the file. A duration needs a unit, such as 30s or 5m. Only 0 needs none.
Arguments show in ps: set the variable for a URL with a secret (--redis, --notify, --probe-url). An
empty variable counts as not set. A variable for a URL, an address, a path or a token must not be empty.

SIGTERM, SIGINT and SIGHUP shut down: held requests get 503, requests in flight finish, then event
streams, long polls and WebSockets are ended so that their clients reconnect. Exit code: 0 after a
shutdown, 1 if the gateway could not start, 2 for wrong usage. A second SIGINT or SIGTERM ends it at
once, with exit code 130 or 143.`;

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
