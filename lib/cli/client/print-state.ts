/** Prints what a command did and the state of the app, or the server's response as JSON. */
import { printableJson } from '../../common/printable.ts';
import { snapshotLines } from '../format-status.ts';
import type { Body } from './admin-client.ts';
import type { ClientOptions } from './client-options.ts';
import { readSnapshot, readText } from './snapshot.ts';

export function printResult(options: ClientOptions, body: Body): void {
  const result = readText(body['result']);
  if (!options.json && result !== null) console.log(result);
  printState(options, body);
}

export function printState({ json }: ClientOptions, body: Body): void {
  console.log(json ? printableJson(body) : snapshotLines(readSnapshot(body)).join('\n'));
}
