/** `antract events`: prints what happened to the apps, and with `--follow` what happens from now on. */
import type { Command } from 'commander';
import { isoTime, systemClock } from '../../common/clock.ts';
import { printableJson } from '../../common/printable.ts';
import { isPlainObject } from '../../common/validate.ts';
import type { AdminClient } from '../client/admin-client.ts';
import { RefusedError } from '../client/client-errors.ts';
import { addClientOptions, createClient, type ClientOptions } from '../client/client-options.ts';
import { readEvents } from '../client/event-source.ts';
import { readNumber, readText } from '../client/snapshot.ts';
import { delay } from '../delay.ts';
import { exitCodeOf, watchInterruption } from '../signals.ts';
import { createPaint, type Colour, type Paint } from '../style.ts';

interface EventsFlags extends ClientOptions {
  readonly follow?: boolean;
}

type Transition = Readonly<Record<string, unknown>>;

const RETRY_MS = 1000;

export function addEvents(program: Command): void {
  addClientOptions(program.command('events'))
    .description('Show what happened: paused by whom and why, drained, resumed, backend down.')
    .argument('[app]', 'name of the app (default: all apps)')
    .option('--follow', 'continue with what happens, until Ctrl-C')
    .action(async (app: string | undefined, flags: EventsFlags) => {
      const client = createClient(flags);
      const print = printer(app, flags);
      if (flags.follow) return follow(client, app, print);
      const { body } = await client.call('transitions', { app });
      print(readTransitions(body['transitions']));
    });
}

/** With `--json`, each transition is a line of its own. */
function printer(app: string | undefined, { json }: ClientOptions) {
  const paint = createPaint(process.stdout, process.env);
  return (transitions: readonly Transition[]): void => {
    for (const one of transitions) {
      if (app !== undefined && one['app'] !== app) continue;
      console.log(json ? printableJson(one) : transitionLine(one, paint));
    }
  };
}

async function follow(
  client: AdminClient,
  app: string | undefined,
  print: (transitions: readonly Transition[]) => void,
): Promise<void> {
  // An app that does not exist is an error, rather than a long silence.
  await client.call('transitions', { app });
  const interruption = watchInterruption();
  const { signal } = interruption;
  // The reader of the output has ended, as in `antract events --follow | head`.
  process.stdout.on('error', () => process.exit(0));
  let lastAt = -Infinity;
  while (!signal.aborted) {
    try {
      for await (const event of readEvents(await client.open('events', signal))) {
        if (event.name !== 'transitions') continue;
        // Another process may answer after a lost connection. It counts its transitions differently.
        const news = readTransitions(JSON.parse(event.data)).filter((one) => timeOf(one) > lastAt);
        print(news);
        lastAt = Math.max(lastAt, ...news.map(timeOf));
      }
    } catch (error) {
      if (error instanceof RefusedError) throw error;
      if (!signal.aborted) console.error(`antract: ${(error as Error).message} Trying again.`);
    }
    await delay(systemClock, RETRY_MS, signal);
  }
  if (interruption.name) process.exitCode = exitCodeOf(interruption.name);
}

function readTransitions(value: unknown): Transition[] {
  return Array.isArray(value) ? value.filter(isPlainObject) : [];
}

function timeOf(transition: Transition): number {
  return readNumber(transition['at']) ?? 0;
}

const COLOURS: Readonly<Record<string, Colour>> = {
  paused: 'yellow',
  resumed: 'green',
  stopped: 'red',
  expired: 'yellow',
  unhealthy: 'red',
  backendDown: 'red',
  backendUp: 'green',
};

function transitionLine(transition: Transition, paint: Paint): string {
  const text = readText(transition['text']) ?? '';
  const colour = COLOURS[readText(transition['event']) ?? ''];
  const time = isoTime(timeOf(transition)).replace(/\.\d+/, '');
  return `${paint('dim', time)} ${colour === undefined ? text : paint(colour, text)}`;
}
