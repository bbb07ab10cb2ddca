/**
 * `antract serve`: flags, environment and file become a gateway that runs.
 */
import type { Command } from 'commander';
import { AntractError } from '../errors.ts';
import type { GatewayAddress } from '../gateway.ts';
import { readAdminTokens } from './admin-token.ts';
import { readConfigFile } from './config-file.ts';
import { UsageError } from './failure.ts';
import { addFlags, merge, readFlags, type Given, type RawConfig } from './flags.ts';
import { toGatewayConfig } from './gateway-config.ts';
import { openRedisStore } from './redis-store.ts';
import { runGateway, stderrLogger } from './run-gateway.ts';
import { inTheirWords } from './wording.ts';

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('Run a gateway in front of a backend, or of several.')
    .addHelpText('after', HELP);
  addFlags(command).action(async () => {
    const given = readFlags(command);
    const { config, ...flags } = given.config;
    const path = config as string | undefined;
    const file = path === undefined ? {} : readConfigFile(path);
    try {
      const { url, adminUrl } = await start(merge(file, flags), given);
      stderrLogger.info(`antract listens on ${url}, admin endpoints: ${adminUrl ?? 'none'}`);
    } catch (error) {
      if (!(error instanceof AntractError)) throw error;
      throw new UsageError(inTheirWords(error.message, { ...given, file, path }), { cause: error });
    }
  });
}

function start(raw: RawConfig, { sources }: Given): Promise<GatewayAddress> {
  const { redis, redisPrefix, ...rest } = raw;
  const config = withTokens(rest, sources);
  const { warn } = stderrLogger;
  const store = openRedisStore({ redis, source: sources.get('redis'), redisPrefix, warn });
  return runGateway({ ...toGatewayConfig(config, stderrLogger), store });
}

const HELP = `
Each flag can be set by its environment variable, or under its name in the file: maxTime for
--max-time, release.perSecond for --release-per-second. The command line comes before the
environment, and the environment before the file. Durations are milliseconds, or such as 30s and 5m.

SIGTERM and SIGINT close in good order: requests held are answered 503, those in flight finish.
Exit code: 0 after that, 1 when it could not start, 2 when it was called wrongly; a second signal
ends at once with 128 and its number (130 for SIGINT, 143 for SIGTERM).`;

function withTokens({ adminTokenFile, ...rest }: RawConfig, sources: Given['sources']): RawConfig {
  const adminToken = readAdminTokens({
    file: adminTokenFile,
    fileSource: sources.get('adminTokenFile'),
    variable: process.env['ANTRACT_ADMIN_TOKEN'],
    warn: stderrLogger.warn,
  });
  return { ...rest, adminToken };
}
