/**
 * `antract pause`, `resume`, `stop` and `drain`: one call each, and what came of it.
 */
import type { Command } from 'commander';
import { formatMs } from '../../common/format.js';
import { systemClock } from '../../common/clock.ts';
import { DEFAULT_APP } from '../../registry/pause-registry.ts';
import { durationWithUnit } from '../../common/validate.ts';
import {
  addClientOptions,
  createClient,
  createIgnoreLost,
  lostOf,
  ONLY,
  type ClientOptions,
  type IgnoreLost,
} from '../client/client-options.ts';
import type { AdminClient, Body, Parameters } from '../client/admin-client.ts';
import { CommandFailure, EXIT_DRAIN_TIMEOUT } from '../cli-error.ts';
import { printableJson } from '../../common/printable.ts';
import { Progress } from '../progress.ts';
import { Terminal } from '../terminal.ts';
import { waitUntilBack } from '../window/wait-until-back.ts';
import { exitCodeOf, watchSignals } from '../signals.ts';
import { readNumber, readSnapshot } from '../client/snapshot.ts';
import { StoreLost } from '../store-lost.ts';
import {
  count,
  fullLines,
  missingText,
  phaseText,
  STORE_LOST_DRAIN,
  stragglerLines,
} from '../format-status.ts';

interface PauseFlags extends ClientOptions, IgnoreLost {
  readonly wait?: string;
  readonly maxTime?: string;
  readonly only?: string;
  readonly reason?: string;
}

interface ResumeFlags extends ClientOptions {
  readonly wait?: string;
}

interface DrainFlags extends ClientOptions, IgnoreLost {
  readonly wait: string;
}

interface StopFlags extends ClientOptions {
  readonly maxTime?: string;
  readonly message?: string;
}

/** Beyond what a server was asked to wait, until its answer is given up. */
const ANSWER_TIME = 10_000;

export function addOperatorCommands(program: Command): void {
  addClientOptions(program.command('pause'))
    .description('Hold new requests of an app; those in flight go on to their end.')
    .argument('[app]', 'its name', DEFAULT_APP)
    .option('--wait <duration>', 'wait that long until nothing is in flight')
    .addOption(createIgnoreLost())
    .option('--max-time <duration>', 'the longest that this pause lasts')
    .addOption(ONLY)
    .option('--reason <text>', 'why, for whoever looks at the status')
    .action(pause);
  addClientOptions(program.command('resume'))
    .description('Let those held go, in order, and everybody after them.')
    .argument('[app]', 'its name', DEFAULT_APP)
    .option('--wait <duration>', 'wait that long until all of them are out')
    .action(resume);
  addClientOptions(program.command('stop'))
    .description('Answer 503 to those held and to everybody after them, until resume or pause.')
    .argument('[app]', 'its name', DEFAULT_APP)
    .option('--max-time <duration>', 'then requests go on by themselves (default: no end)')
    .option('--message <text>', 'what clients are told')
    .action(stop);
  addClientOptions(program.command('drain'))
    .description('Wait until nothing is in flight in an app that is paused or stopped.')
    .argument('[app]', 'its name', DEFAULT_APP)
    .option('--wait <duration>', 'how long', '30s')
    .addOption(createIgnoreLost())
    .action(drain);
}

async function pause(app: string, flags: PauseFlags): Promise<void> {
  const client = createClient(flags);
  const { wait, maxTime, only, reason } = flags;
  if (maxTime !== undefined) durationWithUnit({ min: 1 })('--max-time', maxTime);
  const parameters = { app, max_time: maxTime, only, reason, lost: lostOf(flags) };
  if (wait !== undefined) return waitForDrain(client, 'enable', parameters, wait, flags);
  const { body } = await client.call('enable', parameters);
  return tell(flags, body, body['changed'] === false ? 'It was paused already.' : undefined);
}

async function drain(app: string, flags: DrainFlags): Promise<void> {
  const client = createClient(flags);
  return waitForDrain(client, 'drain', { app, lost: lostOf(flags) }, flags.wait, flags);
}

async function resume(app: string, flags: ResumeFlags): Promise<void> {
  const client = createClient(flags);
  const wait = flags.wait === undefined ? undefined : durationWithUnit()('--wait', flags.wait);
  const { body } = await client.call('disable', { app });
  if (wait === undefined) {
    const held = readNumber(body['heldBefore']) ?? 0;
    const said = held === 0 ? undefined : `${count(held, 'request')} had been held.`;
    return tell(flags, body, body['changed'] === false ? 'It was running already.' : said);
  }
  const screen = new Terminal(process.stderr, process.env);
  const settled = await waitUntilBack({ client, app, screen, clock: systemClock }, wait);
  return tell(flags, settled);
}

async function stop(app: string, flags: StopFlags): Promise<void> {
  const client = createClient(flags);
  const { maxTime, message } = flags;
  if (maxTime !== undefined) durationWithUnit({ min: 1 })('--max-time', maxTime);
  const { body } = await client.call('stop', { app, max_time: maxTime, message });
  tell(flags, body, body['changed'] === false ? 'It was stopped already.' : undefined);
}

/** @param endpoint `enable` or `drain`; both take `wait`. */
async function waitForDrain(
  client: AdminClient,
  endpoint: string,
  parameters: Parameters & { readonly app: string },
  wait: string,
  flags: ClientOptions,
): Promise<void> {
  const timeout = durationWithUnit()('--wait', wait) + ANSWER_TIME;
  const screen = new Terminal(process.stderr, process.env);
  const leaving = watchSignals();
  const progress = new Progress({ client, app: parameters.app, screen, clock: systemClock });
  try {
    const { signal } = leaving;
    const { body } = await progress.wait(endpoint, { ...parameters, wait }, { timeout, signal });
    progress.stop();
    tellDrain(flags, body);
  } catch (error) {
    if (error instanceof StoreLost) throw notDrained({ ...error.body, drained: false });
    if (leaving.name === undefined) throw error;
    throw new CommandFailure(
      `${leaving.name}: waiting no longer. What was paused stays so; \`antract resume\` ends it.`,
      exitCodeOf(leaving.name),
      { code: 'ERR_ANTRACT_INTERRUPTED' },
    );
  } finally {
    progress.stop();
    leaving.stop();
  }
}

function tellDrain(flags: ClientOptions, body: Body): void {
  const waited = formatMs(readNumber(body['waitedMs']) ?? 0);
  if (body['drained'] === true) return tell(flags, body, `Drained after ${waited}.`);
  throw notDrained(body);
}

function notDrained(body: Body): CommandFailure {
  const snapshot = readSnapshot(body);
  const { isStoreLost } = snapshot;
  const where = isStoreLost ? ' at this gateway' : '';
  return new CommandFailure(
    [
      ...whyNotDrained(body),
      `It stays ${phaseText(snapshot)}${where}: \`antract drain\` waits again, \`antract resume\` lets people through.`,
    ].join('\n'),
    EXIT_DRAIN_TIMEOUT,
    { details: body, ...(isStoreLost && { code: 'ERR_ANTRACT_STORE_LOST' }) },
  );
}

function whyNotDrained(body: Body): string[] {
  const snapshot = readSnapshot(body);
  const { app, only, inFlight, missing, unacknowledged, stragglers, isStoreLost } = snapshot;
  const waited = formatMs(readNumber(body['waitedMs']) ?? 0);
  const inTheWay = `${only === null ? count(inFlight, 'request') : only} still in flight`;
  const lines = stragglerLines(snapshot);
  if (isStoreLost) {
    return [
      `App ${app} is not drained: ${STORE_LOST_DRAIN}`,
      ...(lines.length > 0 ? [`${inTheWay}:`] : []),
      ...lines,
    ];
  }
  const isTimeout = missing.length === 0 || stragglers.length > 0;
  const isListed = lines.length > 0 || inFlight > 0;
  return [
    ...(isTimeout
      ? [
          `App ${app} did not drain within ${waited}${isListed ? `; ${inTheWay}` : ''}${lines.length > 0 ? ':' : '.'}`,
        ]
      : []),
    ...lines,
    ...(unacknowledged.length > 0 ? [`Not acknowledged yet by ${unacknowledged.join(', ')}.`] : []),
    ...(missing.length > 0 ? [`App ${app} is not drained: ${missingText(missing)}`] : []),
  ];
}

/** What a command prints at its end: the app's state, or the server's answer as it is. */
function tell({ json }: ClientOptions, body: Body, remark?: string): void {
  if (json) {
    console.log(printableJson(body));
    return;
  }
  console.log(fullLines(readSnapshot(body)).join('\n'));
  if (remark !== undefined) console.log(remark);
}
