/** `antract report`: prints what happened to the requests of the last pause, or of the current one so far. */
import type { Command } from 'commander';
import { addClientOptions, type ClientOptions } from '../client/client-options.ts';
import { printLines } from '../client/print-lines.ts';

export function addReport(program: Command): void {
  addClientOptions(program.command('report'))
    .description('Show what the last or current pause did to requests.')
    .argument('[app]', 'name of the app (default: all apps)')
    .action((app: string | undefined, flags: ClientOptions) => printLines('report', app, flags));
}
