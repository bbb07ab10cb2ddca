/** Waits for the reader of this process's output: `process.exit()` drops what a full pipe has not taken yet. */
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';

/**
 * A reader that reads nothing for this long does not keep the process running. Longer than a slow reader needs for
 * 160 KB: Linux lets a process write to a Unix socket again, such as that of journald, only after its reader has
 * taken three quarters of the buffer.
 */
const STALL_MS = 3000;

/** Resolves once all output has left the process, or its reader has stalled or ended. Never rejects. */
export async function flushOutput(output: Writable): Promise<void> {
  await Promise.race([untilRead(output), untilStalled(output)]);
}

/** Resolves once all output has left the process, or its reader has ended. Never rejects. */
export async function untilRead(output: Writable): Promise<void> {
  await new Promise<void>((resolve) => void output.write('', () => resolve()));
}

/** Resolves once the reader reads nothing of the output that waits for it. Never, if the output is a file. */
export async function untilStalled(output: Writable): Promise<void> {
  if (!(output instanceof Socket)) return new Promise(() => undefined);
  return new Promise((resolve) => {
    // The timeout starts again when the reader has taken a part of a write. `writableLength` falls only
    // after the whole write, which may be all lines that waited.
    output.setTimeout(STALL_MS);
    output.on('timeout', () => {
      if (output.writableLength > 0) resolve();
    });
  });
}
