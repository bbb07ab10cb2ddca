/** `antract resume`: releases held requests, and with `--wait` waits until all of them are released. */
import type { Command } from 'commander';
import { systemClock } from '../../common/clock.ts';
import { durationWithUnit } from '../../common/validate.ts';
import { DEFAULT_APP } from '../../registry/pause-registry.ts';
import { addClientOptions, createClient, type ClientOptions } from '../client/client-options.ts';
import { printState } from '../client/print-state.ts';
import { readNumber } from '../client/snapshot.ts';
import { waitUntilBack } from '../client/wait-until-back.ts';
import { count } from '../format-status.ts';
import { Terminal } from '../terminal.ts';

interface ResumeFlags extends ClientOptions {
  readonly wait?: string;
}

export function addResume(program: Command): void {
  addClientOptions(program.command('resume'))
    .description('Let those held go, in order, and everybody after them.')
    .argument('[app]', 'its name', DEFAULT_APP)
    .option('--wait <duration>', 'wait that long until all of them are out')
    .action(resume);
}

async function resume(app: string, flags: ResumeFlags): Promise<void> {
  const client = createClient(flags);
  const wait = flags.wait === undefined ? undefined : durationWithUnit()('--wait', flags.wait);
  const { body } = await client.call('disable', { app });
  if (wait === undefined) {
    const held = readNumber(body['heldBefore']) ?? 0;
    const remark = held === 0 ? undefined : `${count(held, 'request')} had been held.`;
    printState(flags, body, body['changed'] === false ? 'It was running already.' : remark);
    return;
  }
  const terminal = new Terminal(process.stderr, process.env);
  const state = await waitUntilBack({ client, app, terminal, clock: systemClock }, wait);
  printState(flags, state);
}
