/** `antract serve`: runs a gateway, configured by flags, environment and file. */
import type { Command } from 'commander';
import { addFlags, readFlags } from '../config/read-flags.ts';
import { startFirstWorker } from '../workers/first-worker.ts';

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('Run a gateway in front of a backend (--target), or of several (--config).')
    .addHelpText('after', HELP);
  addFlags(command).action(async () => {
    const first = startFirstWorker();
    try {
      // Loaded while the worker loads its own modules, which takes longer.
      const { startServing } = await import('../workers/start-serving.ts');
      await startServing(readFlags(command), first);
    } catch (error) {
      first.handle.kill();
      throw error;
    }
  });
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
