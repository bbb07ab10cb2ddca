/** `antract resume`: releases held requests, and with `--wait` waits until all of them are released. */
import type { Command } from 'commander';
import { systemClock } from '../../common/clock.ts';
import { durationWithUnit } from '../../common/validate.ts';
import { DEFAULT_APP } from '../../options/app-name.ts';
import { addClientOptions, createClient, type ClientOptions } from '../client/client-options.ts';
import { printResult, printState } from '../client/print-state.ts';
import { readSnapshot } from '../client/snapshot.ts';
import { waitUntilBack } from '../client/wait-until-back.ts';
import { Terminal } from '../terminal.ts';

interface ResumeFlags extends ClientOptions {
  readonly wait?: string;
}

export function addResume(program: Command): void {
  addClientOptions(program.command('resume'))
    .description('Resume an app: release held requests, in order.')
    .argument('[app]', 'name of the app', DEFAULT_APP)
    .option(
      '--wait <duration>',
      'wait up to this long until no request is held and the backend answers',
    )
    .action(resume);
}

async function resume(app: string, flags: ResumeFlags): Promise<void> {
  const client = createClient(flags);
  const wait = flags.wait === undefined ? undefined : durationWithUnit()('--wait', flags.wait);
  const { body } = await client.call('disable', { app });
  if (wait === undefined) {
    printResult(flags, body);
    return;
  }
  const { warning } = readSnapshot(body);
  if (warning !== null) console.error(`antract: ${warning}`);
  const terminal = new Terminal(process.stderr, process.env);
  const state = await waitUntilBack({ client, app, terminal, clock: systemClock }, wait);
  printState(flags, state);
}
