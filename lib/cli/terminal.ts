/** Prints lines, and on a terminal a block below them that is redrawn in place. */
import type { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';

export interface Output extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

const CSI = '\u001b[';

export class Terminal {
  /** Whether the output is a terminal that shows the block. */
  readonly isLive: boolean;
  readonly #out: Output;
  #block: readonly string[] = [];
  #shownWidths: readonly number[] = [];
  /** The forwarded output ended within a line, such as a question or a progress bar. */
  #isMidLine = false;

  constructor(out: Output, env: NodeJS.ProcessEnv) {
    this.#out = out;
    this.isLive = out.isTTY === true && isEmpty(env['CI']) && env['TERM'] !== 'dumb';
  }

  /** Prints a line above the block. */
  printLine(line: string): void {
    this.#erase();
    this.#out.write(`${this.#isMidLine ? '\n' : ''}${line}\n`);
    this.#isMidLine = false;
    this.#draw();
  }

  /** Replaces the block. Does nothing where the output is no terminal. */
  show(lines: readonly string[]): void {
    if (!this.isLive) return;
    this.#erase();
    this.#block = lines;
    this.#draw();
  }

  /** Writes the output of another process, unchanged. */
  forward(chunk: Buffer, to: Output): void {
    this.#erase();
    to.write(chunk);
    this.#isMidLine = chunk.at(-1) !== 0x0a;
    this.#draw();
  }

  /** Removes the block. */
  clear(): void {
    this.show([]);
  }

  #draw(): void {
    if (this.#block.length === 0 || this.#isMidLine) return;
    const lines = this.#block
      .slice(0, Math.max(1, (this.#out.rows || 24) - 1))
      .map((line) => cutToWidth(line, this.#columns));
    // Switch automatic wrapping off, in case the terminal shows a character wider than expected.
    // Switch it on in the same write, so that the terminal wraps again however this process ends.
    this.#out.write(`${CSI}?7l${lines.join('\n')}${CSI}?7h`);
    this.#shownWidths = lines.map(widthOf);
  }

  #erase(): void {
    // If the terminal was made narrower since, it has wrapped the lines.
    const rows = this.#shownWidths
      .map((width) => Math.max(1, Math.ceil(width / this.#columns)))
      .reduce((sum, count) => sum + count, 0);
    if (rows === 0) return;
    const up = rows > 1 ? `${CSI}${rows - 1}A` : '';
    this.#out.write(`\r${up}${CSI}J`);
    this.#shownWidths = [];
  }

  /** Some terminals report 0 when they don't know their width. */
  get #columns(): number {
    return this.#out.columns || 80;
  }
}

/** Characters that take two columns in all terminals or in some. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Extended_Pictographic}\p{Regional_Indicator}\u3000-\u303f\uff01-\uff60\uffe0-\uffe6]/u;

/** The columns that a text takes at most. Colours take none. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of stripVTControlCharacters(text)) {
    if (!/[\p{Mn}\p{Me}\p{Cf}]/u.test(character)) width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}

/** Shortens a text with an ellipsis, without its colours: between words, or within a word that fills half the line. */
export function cutToWidth(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  const plain = stripVTControlCharacters(text);
  let kept = '';
  let width = 1;
  for (const character of plain) {
    width += widthOf(character);
    if (width > columns) break;
    kept += character;
  }
  const isBetweenWords = [' ', ','].includes(plain[kept.length] ?? '');
  const wholeWords = isBetweenWords ? kept : kept.slice(0, kept.lastIndexOf(' ') + 1);
  const isEnough = wholeWords.length >= kept.length / 2;
  return `${(isEnough ? wholeWords : kept).replace(/[ ,]+$/, '')}…`;
}

/** Breaks a text without colours between words. Lines after the first are indented by two more columns. */
export function wrapToWidth(text: string, columns: number): string[] {
  if (widthOf(text) <= columns) return [text];
  const indent = /^ */.exec(text)?.[0] ?? '';
  const lines: string[] = [];
  let line = indent;
  for (const word of text.trim().split(' ')) {
    const isFirst = line.trim() === '';
    if (!isFirst && widthOf(`${line} ${word}`) > columns) {
      lines.push(line);
      line = `${indent}  ${word}`;
    } else line = isFirst ? line + word : `${line} ${word}`;
  }
  return [...lines, line];
}

function isEmpty(value: string | undefined): boolean {
  return value === undefined || value === '' || value === 'false';
}
