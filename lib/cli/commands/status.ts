/** `antract status`: prints the state of one app or of all, once or repeatedly with `--watch`. */
import type { Command } from 'commander';
import { systemClock } from '../../common/clock.ts';
import type { AdminClient, Body } from '../client/admin-client.ts';
import { addClientOptions, createClient, type ClientOptions } from '../client/client-options.ts';
import { failureJson } from '../cli-error.ts';
import { printableJson } from '../../common/printable.ts';
import { delay } from '../delay.ts';
import { Terminal, wrapToWidth } from '../terminal.ts';
import { readList, type AppSnapshot } from '../client/snapshot.ts';
import { exitCodeOf, watchInterruption } from '../signals.ts';
import { snapshotLines } from '../format-status.ts';
import { statusTable, trafficSentence } from '../status-table.ts';
import { createPaint, PHASE_COLOURS, type Paint } from '../style.ts';

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
  // A live line is cut at the width of the terminal, and would lose the end of the summary.
  const columns = () => (terminal.isLive ? process.stdout.columns || 80 : Infinity);
  let lastText = '';
  let text = textOf(first, flags, columns());
  for (;;) {
    if (terminal.isLive) terminal.show(text.split('\n'));
    else if (text !== lastText) terminal.printLine(text);
    lastText = text;
    await delay(systemClock, POLL_MS, interruption.signal);
    if (interruption.name === undefined)
      text = await fetchText(client, app, flags, columns(), interruption.signal);
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
  columns: number,
  signal: AbortSignal,
): Promise<string> {
  return client.call('status', { app }, { signal }).then(
    ({ body }) => textOf(body, flags, columns),
    (error: Error) => (flags.json ? failureJson(error) : error.message),
  );
}

/** @param columns at which the sentences about one app are broken. */
function textOf(body: Body, { json }: StatusFlags, columns = Infinity): string {
  if (json) return printableJson(body);
  const apps = readList(body);
  const [first] = apps;
  const paint = createPaint(process.stdout, process.env);
  const lines =
    apps.length === 1 && first
      ? detailLines(first, columns, paint)
      : statusTable(apps, process.stdout.columns || 80, paint);
  return lines.join('\n');
}

function detailLines(app: AppSnapshot, columns: number, paint: Paint): string[] {
  const [summary = '', ...details] = snapshotLines(app);
  const { state } = app.backend;
  const traffic = trafficSentence(app.traffic);
  const more = [
    ...details,
    ...(state === 'up' ? ['  The backend answers.'] : []),
    ...(traffic === undefined ? [] : [`  ${traffic}`]),
  ];
  return [
    ...wrapToWidth(summary, columns).map((line) => paint(PHASE_COLOURS[app.phase], line)),
    ...more.flatMap((line) => wrapToWidth(line, columns)),
  ];
}
