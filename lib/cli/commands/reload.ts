/** `antract reload`: lets `antract serve` start new workers with the configuration and the code on disk. */
import type { Command } from 'commander';
import { printableJson } from '../../common/printable.ts';
import { addClientOptions, createClient, type ClientOptions } from '../client/client-options.ts';
import { readText } from '../client/snapshot.ts';

/** Longer than `antract serve` waits for its new workers. */
const TIMEOUT_MS = 45_000;

export function addReload(program: Command): void {
  addClientOptions(program.command('reload'))
    .description(
      'Start new processes of `antract serve` with the configuration, tokens and code on disk. ' +
        'The old ones finish their requests, also held ones.',
    )
    .action(reload);
}

async function reload(flags: ClientOptions): Promise<void> {
  const { body } = await createClient(flags).call('reload', {}, { timeout: TIMEOUT_MS });
  console.log(flags.json ? printableJson(body) : readText(body['result']));
}
