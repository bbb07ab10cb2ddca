/** Text of clients, operators and other processes, made safe to print. */
import { describe, expect, it } from '@jest/globals';
import { createAntract } from '../../lib/index.ts';
import { printable, printableJson, printableLines } from '../../lib/common/printable.ts';

const NASTY = 'a\u001b[2J\u202eb\u2066c\u200ed\u2028e';
const CLEAN = 'a\ufffd[2J\ufffdb\ufffdc\ufffdd\ufffde';

describe('text that is safe to print', () => {
  it('has no control, bidirectional or line-breaking character', () => {
    expect(printable(`${NASTY}\n`)).toBe(`${CLEAN}\ufffd`);
    expect(printableLines(`${NASTY}\n\tf\r`)).toBe(`${CLEAN}\n\tf\ufffd`);
  });

  it('keeps the joiners that Persian and emoji are written with', () => {
    const text = 'می\u200cخواهم 👩\u200d🚒';
    expect(printable(text)).toBe(text);
  });

  it('is the same value where it is JSON', () => {
    expect(printableJson({ NASTY })).toMatch(/^[\x20-\x7e]*$/);
    expect(JSON.parse(printableJson({ NASTY }))).toEqual({ NASTY });
  });

  it('is all that a logger receives, from any part of the code', async () => {
    const lines: string[] = [];
    const log = (message: string): void => void lines.push(message);
    const logger = { info: log, warn: log, error: log };
    const antract = createAntract({ logger });
    antract.on('paused', () => {
      throw new Error(`${NASTY}\nsecond line`);
    });
    await antract.enable();
    expect(lines).toContain(`A listener of the event 'paused' threw: Error: ${CLEAN}\nsecond line`);
    await antract.close();
  });

  it('is what an app may be called', async () => {
    const antract = createAntract();
    for (const character of ['\u202e', '\u2069', '\u200f', '\u2029', '\u001b']) {
      await expect(antract.enable(`shop${character}`)).rejects.toMatchObject({
        code: 'ERR_ANTRACT_APP_NAME',
      });
    }
    expect((await antract.enable('größe 日本')).app).toBe('größe 日本');
    await antract.close();
  });
});
