/** Prints what a command reached: the state of the app, or the server's response as JSON. */
import { printableJson } from '../../common/printable.ts';
import { fullLines } from '../format-status.ts';
import type { Body } from './admin-client.ts';
import type { ClientOptions } from './client-options.ts';
import { readSnapshot } from './snapshot.ts';

/** @param remark what the command changed; left out of the JSON, which has fields for it. */
export function printState({ json }: ClientOptions, body: Body, remark?: string): void {
  if (json) {
    console.log(printableJson(body));
    return;
  }
  console.log(fullLines(readSnapshot(body)).join('\n'));
  if (remark !== undefined) console.log(remark);
}
