/** The output that a process still has when it exits. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import { flushOutput } from '../../lib/cli/flush-output.ts';

const path = join(tmpdir(), `antract-flush-${process.pid}.sock`);
const server = createServer({ pauseOnConnect: true });
let writer: Socket;
let reader: Socket;

/** Connects a reader that has read nothing, and fills the pipe to it. */
async function write(bytes: number): Promise<void> {
  server.listen(path);
  await once(server, 'listening');
  writer = connect(path);
  [reader] = (await once(server, 'connection')) as [Socket];
  writer.write(Buffer.alloc(bytes));
}

afterEach(async () => {
  writer.destroy();
  reader.destroy();
  server.close();
  await once(server, 'close');
  rmSync(path, { force: true });
});

describe('the output of a process that exits', () => {
  it('waits for a reader that takes a part of it at a time', async () => {
    await write(2_000_000);
    let isFlushed = false;
    const flushed = flushOutput(writer).then(() => (isFlushed = true));
    for await (const _ of setInterval(200)) {
      if (isFlushed) break;
      if (reader.read(100_000) === null) reader.read();
    }
    await flushed;
    expect(writer.writableLength).toBe(0);
  });

  it('does not wait for a reader that takes nothing', async () => {
    await write(2_000_000);
    await flushOutput(writer);
    expect(writer.writableLength).toBe(2_000_000);
  });

  it('does not wait for a reader that has ended', async () => {
    await write(2_000_000);
    writer.on('error', () => undefined);
    const flushed = flushOutput(writer);
    reader.destroy();
    await flushed;
    expect(writer.destroyed).toBe(true);
  });
});
