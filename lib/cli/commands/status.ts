/** `antract status`: prints the state of one app or of all, once or repeatedly with `--watch`. */
import type { Command } from 'commander';
import { systemClock } from '../../common/clock.ts';
import { formatMs } from '../../common/format.js';
import type { AdminClient, Body } from '../client/admin-client.ts';
import { addClientOptions, createClient, type ClientOptions } from '../client/client-options.ts';
import { failureJson } from '../cli-error.ts';
import { printableJson } from '../../common/printable.ts';
import { delay } from '../delay.ts';
import { Terminal } from '../terminal.ts';
import { readList, type AppSnapshot } from '../client/snapshot.ts';
import { exitCodeOf, watchInterruption } from '../signals.ts';
import { snapshotLines } from '../format-status.ts';
import { phaseText } from '../../gate/status-text.ts';

interface StatusFlags extends ClientOptions {
  readonly watch?: boolean;
}

const POLL_MS = 1000;

export function addStatus(program: Command): void {
  addClientOptions(program.command('status'))
    .description('Show the status of one app, or of all apps.')
    .argument('[app]', 'name of the app (default: all apps)')
    .option('--watch', 'update until Ctrl-C')
    .action(async (app: string | undefined, flags: StatusFlags) => {
      const client = createClient(flags);
      const first = (await client.call('status', { app })).body;
      if (flags.watch) await watch(client, app, flags, first);
      else console.log(textOf(first, flags));
    });
}

async function watch(
  client: AdminClient,
  app: string | undefined,
  flags: StatusFlags,
  first: Body,
): Promise<void> {
  const terminal = new Terminal(process.stdout, flags.json ? { TERM: 'dumb' } : process.env);
  const interruption = watchInterruption();
  // The reader of the output has ended, as in `antract status --watch | head`.
  process.stdout.on('error', () => process.exit(0));
  let lastText = '';
  let text = textOf(first, flags);
  for (;;) {
    if (terminal.isLive) terminal.show(text.split('\n'));
    else if (text !== lastText) terminal.printLine(text);
    lastText = text;
    await delay(systemClock, POLL_MS, interruption.signal);
    if (interruption.name === undefined)
      text = await fetchText(client, app, flags, interruption.signal);
    if (interruption.name !== undefined) break;
  }
  terminal.clear();
  if (terminal.isLive) terminal.printLine(lastText);
  process.exitCode = exitCodeOf(interruption.name);
}

/** If the server does not answer, shows that and continues, because it may come back. */
function fetchText(
  client: AdminClient,
  app: string | undefined,
  flags: StatusFlags,
  signal: AbortSignal,
): Promise<string> {
  return client.call('status', { app }, { signal }).then(
    ({ body }) => textOf(body, flags),
    (error: Error) => (flags.json ? failureJson(error) : error.message),
  );
}

function textOf(body: Body, { json }: StatusFlags): string {
  if (json) return printableJson(body);
  const apps = readList(body);
  const [first] = apps;
  return (apps.length === 1 && first ? snapshotLines(first) : tableOf(apps)).join('\n');
}

/** The time until the pause ends; without a pause, the time until the wait for the backend ends. */
function endsIn({ endsInMs, probeEndsInMs }: AppSnapshot): string {
  const left = endsInMs ?? (probeEndsInMs || null);
  return left === null ? '-' : formatMs(left);
}

function tableOf(apps: readonly AppSnapshot[]): string[] {
  const rows = [
    ['APP', 'PHASE', 'HELD', 'IN FLIGHT', 'OLDEST WAIT', 'ENDS IN', 'REASON'],
    ...apps.map((one) => [
      one.app,
      one.backend.downForMs === null ? phaseText(one) : `${phaseText(one)}, backend down`,
      String(one.held),
      String(one.inFlight),
      one.oldestHoldMs === null ? '-' : formatMs(one.oldestHoldMs),
      endsIn(one),
      one.reason ?? '-',
    ]),
  ];
  const widths = rows[0]?.map((_cell, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths?.[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
