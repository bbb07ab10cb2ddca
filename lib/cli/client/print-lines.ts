/** Prints the sentences of an endpoint about one app, or about each app. */
import { printableJson } from '../../common/printable.ts';
import { CommandFailure } from '../cli-error.ts';
import type { AdminClient, Body } from './admin-client.ts';
import { createClient, type ClientOptions } from './client-options.ts';
import { readList, readText } from './snapshot.ts';

/** @param app undefined for all apps. */
export async function printLines(
  endpoint: 'report' | 'traffic',
  app: string | undefined,
  flags: ClientOptions,
): Promise<void> {
  const client = createClient(flags);
  const apps = app === undefined ? await appNames(client) : [app];
  const bodies: Body[] = [];
  for (const one of apps) bodies.push((await client.call(endpoint, { app: one })).body);
  if (flags.json) console.log(printableJson(app === undefined ? { apps: bodies } : bodies[0]));
  else console.log(bodies.map((body) => linesOf(body).join('\n')).join('\n\n'));
}

async function appNames(client: AdminClient): Promise<string[]> {
  const { body } = await client.call('status');
  return readList(body).map(({ app }) => app);
}

function linesOf({ lines }: Body): string[] {
  if (Array.isArray(lines)) return lines.flatMap((line) => readText(line) ?? []);
  throw new CommandFailure('This server is older than this command. Use --json.');
}
