/** Lines of several writers in one stream. */
import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { LineOutput } from '../../lib/cli/workers/line-output.ts';

/** All that is there. A call of `read()` may return one chunk of several. */
function readAll(target: PassThrough): string {
  const chunks: Buffer[] = [];
  for (let chunk = target.read(); chunk !== null; chunk = target.read()) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function start(target = new PassThrough()) {
  const output = new LineOutput(target);
  const [first, second] = [new PassThrough(), new PassThrough()];
  output.add(first);
  output.add(second);
  return { target, first, second };
}

describe('lines of several writers', () => {
  it('stay whole, in whatever pieces they come', async () => {
    const { target, first, second } = start();
    first.write('on');
    second.write('two\nth');
    first.write('e\n');
    second.write('ree\n');
    await new Promise(setImmediate);
    expect(readAll(target)).toBe('two\none\nthree\n');
  });

  it('end where their writer was killed', async () => {
    const { target, first, second } = start();
    first.write('cut o');
    first.destroy();
    await once(first, 'close');
    second.write('whole\n');
    await new Promise(setImmediate);
    expect(readAll(target)).toMatch(/^(cut o\n)?whole\n$/);
  });

  it('wait at their writers while the reader does not read', async () => {
    const { target, first } = start(new PassThrough({ highWaterMark: 10 }));
    first.write('a line that is long enough\n');
    await new Promise(setImmediate);
    expect(first.isPaused()).toBe(true);
    const read = readAll(target);
    await once(first, 'resume');
    expect(read).toBe('a line that is long enough\n');
  });

  it('block no writer once the reader has ended', async () => {
    const target = new Writable({
      write(_chunk, _encoding, done) {
        done(Object.assign(new Error('gone'), { code: 'EPIPE' }));
      },
    });
    const { first } = start(target as PassThrough);
    first.write('lost\n');
    await once(target, 'error');
    first.write('lost too\n');
    await new Promise(setImmediate);
    expect(first.readableFlowing).toBe(true);
  });
});
