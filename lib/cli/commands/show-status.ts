/**
 * `antract status`: once, or again and again with `--watch`.
 */
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
import { statusLines } from '../format-status.ts';
import { phaseText } from '../../gate/status-text.ts';

interface StatusFlags extends ClientOptions {
  readonly watch?: boolean;
}

const EVERY = 1000;

export function addStatus(program: Command): void {
  addClientOptions(program.command('status'))
    .description('Show the status of one app, or of all apps.')
    .argument('[app]', 'its name (default: all apps)')
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
  // Whoever reads has had enough: `antract status --watch | head`.
  process.stdout.on('error', () => process.exit(0));
  let shown = '';
  let text = textOf(first, flags);
  for (;;) {
    if (terminal.isLive) terminal.show(text.split('\n'));
    else if (text !== shown) terminal.printLine(text);
    shown = text;
    await delay(systemClock, EVERY, interruption.signal);
    if (interruption.name === undefined) text = await ask(client, app, flags, interruption.signal);
    if (interruption.name !== undefined) break;
  }
  terminal.clear();
  if (terminal.isLive) terminal.printLine(shown);
  process.exitCode = exitCodeOf(interruption.name);
}

/** A server that is away may come back: its absence is what is shown then. */
function ask(
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
  const [only] = apps;
  return (apps.length === 1 && only ? statusLines(only) : tableOf(apps)).join('\n');
}

/** The end of the pause, or of the wait for the backend where there is no pause. */
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
