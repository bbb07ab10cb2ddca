/** Waits for the reader of this process's output: `process.exit()` drops what a full pipe has not taken yet. */
import type { Writable } from 'node:stream';
import { systemClock } from '../common/clock.ts';
import { delay } from './delay.ts';

/** A reader that reads nothing for this long does not keep the process running. */
const STALL_MS = 1000;

/** Resolves once all output has left the process, or its reader has stalled or ended. Never rejects. */
export async function flushOutput(output: Writable): Promise<void> {
  const flushed = new AbortController();
  output.write('', () => flushed.abort());
  for (let before = Infinity; !flushed.signal.aborted && output.writableLength < before;) {
    before = output.writableLength;
    await delay(systemClock, STALL_MS, flushed.signal);
  }
}
