/** Waits for the reader of this process's output: `process.exit()` drops what a full pipe has not taken yet. */
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';

/** A reader that reads nothing for this long does not keep the process running. */
const STALL_MS = 1000;

/** Resolves once all output has left the process, or its reader has stalled or ended. Never rejects. */
export async function flushOutput(output: Writable): Promise<void> {
  await new Promise<void>((resolve) => {
    // The timeout starts again when the reader has taken a part of a write. `writableLength` falls only
    // after the whole write, which may be all lines that waited.
    if (output instanceof Socket) output.setTimeout(STALL_MS, resolve);
    output.write('', () => resolve());
  });
}
