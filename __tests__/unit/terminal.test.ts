/** The live lines of the command line on terminals of any width. */
import { describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import { cutToWidth, Terminal, wrapToWidth } from '../../lib/cli/terminal.ts';

const LINE =
  'default is pausing, 12 held, 3 in flight, oldest wait 1.56 s, ends by itself in 4 min 3 s';

class FakeTerminal extends Writable {
  readonly isTTY = true;
  columns = 80;
  rows = 24;
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

describe('a live line', () => {
  it.each([
    [20, 'default is pausing…'],
    [31, 'default is pausing, 12 held, 3…'],
    [40, 'default is pausing, 12 held, 3 in…'],
    [41, 'default is pausing, 12 held, 3 in flight…'],
    [80, 'default is pausing, 12 held, 3 in flight, oldest wait 1.56 s, ends by itself in…'],
    [200, LINE],
  ])('at %d columns is cut between words', (columns, shown) => {
    expect(cutToWidth(LINE, columns)).toBe(shown);
  });

  it('that fits exactly is not cut', () => {
    expect(cutToWidth(LINE, LINE.length)).toBe(LINE);
    expect(cutToWidth('', 10)).toBe('');
  });

  it('with a word that is longer than the line shows the start of that word', () => {
    expect(cutToWidth(`  GET /${'x'.repeat(60)} for 3 s`, 20)).toBe('  GET /xxxxxxxxxxxx…');
  });

  it('counts two columns for wide characters, and none for those that combine', () => {
    expect(cutToWidth('注文の一覧 GET', 11)).toBe('注文の一覧…');
    expect(cutToWidth('注文の一覧を GET', 12)).toBe('注文の一覧…');
    expect(cutToWidth('🚀🚀🚀🚀🚀🚀', 8)).toBe('🚀🚀🚀…');
    expect(cutToWidth('e\u0301'.repeat(10), 10)).toBe('e\u0301'.repeat(10));
  });

  it.each([1, 2, 5, 20, 40])('is never wider than %d columns', (columns) => {
    for (const text of [
      LINE,
      '注文の一覧 GET /注文',
      '🚀🚀 🚀🚀',
      'x'.repeat(50),
      '   ',
      ' '.repeat(60),
    ]) {
      const shown = cutToWidth(text, columns);
      const characters = Array.from(shown);
      const wide = characters.filter((character) => /[^ -~…]/u.test(character)).length;
      expect(characters.length + wide).toBeLessThanOrEqual(columns);
    }
  });

  it('follows the width of the terminal, and is taken away whole after that has shrunk', () => {
    const terminal = new FakeTerminal();
    const screen = new Terminal(terminal, {});
    screen.show([LINE.slice(0, 60), 'second']);
    terminal.columns = 40;
    terminal.text = '';
    screen.show([LINE]);
    // 60 columns have become two rows of 40, so the block had three.
    expect(terminal.text.startsWith('\r\u001b[2A\u001b[J')).toBe(true);
    expect(terminal.text).toContain('default is pausing, 12 held, 3 in…\u001b');
  });

  it('is as wide as most terminals where the terminal does not tell its width', () => {
    const terminal = new FakeTerminal();
    terminal.columns = 0;
    terminal.rows = 0;
    new Terminal(terminal, {}).show([LINE]);
    expect(terminal.text).toContain('ends by itself in…');
  });
});

describe('a line that is too wide', () => {
  it('is broken between words, and loses nothing', () => {
    expect(wrapToWidth(`  ${LINE}`, 40)).toEqual([
      '  default is pausing, 12 held, 3 in',
      '    flight, oldest wait 1.56 s, ends by',
      '    itself in 4 min 3 s',
    ]);
    expect(wrapToWidth(LINE, LINE.length)).toEqual([LINE]);
    expect(wrapToWidth('', 1)).toEqual(['']);
    expect(wrapToWidth('GET /a-long-path for 3 s', 8)).toEqual([
      'GET',
      '  /a-long-path',
      '  for 3',
      '  s',
    ]);
  });
});
