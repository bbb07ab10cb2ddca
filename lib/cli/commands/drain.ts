/** `antract drain`: waits until a paused or stopped app has no request in flight. */
import type { Command } from 'commander';
import { DEFAULT_APP } from '../../options/app-name.ts';
import {
  addClientOptions,
  createClient,
  createIgnoreLost,
  type ClientOptions,
  type IgnoreLost,
} from '../client/client-options.ts';
import { waitForDrain } from '../client/wait-for-drain.ts';

interface DrainFlags extends ClientOptions, IgnoreLost {
  readonly wait: string;
}

export function addDrain(program: Command): void {
  addClientOptions(program.command('drain'))
    .description('Wait until nothing is in flight in an app that is paused or stopped.')
    .argument('[app]', 'name of the app', DEFAULT_APP)
    .option('--wait <duration>', 'longest wait', '30s')
    .addOption(createIgnoreLost())
    .action(drain);
}

async function drain(app: string, flags: DrainFlags): Promise<void> {
  const client = createClient(flags);
  return waitForDrain(client, 'drain', { app }, flags.wait, flags);
}
