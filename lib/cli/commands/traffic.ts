/** `antract traffic`: prints the traffic of the last minutes, and what to expect of a pause. */
import type { Command } from 'commander';
import { addClientOptions, type ClientOptions } from '../client/client-options.ts';
import { printLines } from '../client/print-lines.ts';

export function addTraffic(program: Command): void {
  addClientOptions(program.command('traffic'))
    .description('Show the traffic of the last minutes, and what to expect of a pause.')
    .argument('[app]', 'name of the app (default: all apps)')
    .action((app: string | undefined, flags: ClientOptions) => printLines('traffic', app, flags));
}
