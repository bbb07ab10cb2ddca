/**
 * Lines that stay, and below them a block that is redrawn, on a terminal; elsewhere the lines alone.
 * Knows no command.
 */
import type { Writable } from 'node:stream';

export interface Output extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

const CSI = '\u001b[';

export class Screen {
  /** Whether the block is shown. */
  readonly isLive: boolean;
  readonly #out: Output;
  #block: readonly string[] = [];
  #shownRows = 0;
  /** Somebody else's last line has no end yet: a question, a progress bar. */
  #isMidLine = false;

  constructor(out: Output, env: NodeJS.ProcessEnv) {
    this.#out = out;
    this.isLive = out.isTTY === true && isEmpty(env['CI']) && env['TERM'] !== 'dumb';
  }

  /** A line that stays. */
  say(line: string): void {
    this.#erase();
    this.#out.write(`${this.#isMidLine ? '\n' : ''}${line}\n`);
    this.#isMidLine = false;
    this.#draw();
  }

  /** What stands below all lines, until the next call. */
  show(lines: readonly string[]): void {
    if (!this.isLive) return;
    this.#erase();
    this.#block = lines;
    this.#draw();
  }

  /** Somebody else's output, as it comes. */
  pass(chunk: Buffer, to: Output): void {
    this.#erase();
    to.write(chunk);
    this.#isMidLine = chunk.at(-1) !== 0x0a;
    this.#draw();
  }

  /** Takes the block away. */
  clear(): void {
    this.show([]);
  }

  #draw(): void {
    if (this.#block.length === 0 || this.#isMidLine) return;
    const { rows = 24, columns = 80 } = this.#out;
    const lines = this.#block.slice(0, Math.max(1, rows - 1)).map((line) => line.slice(0, columns));
    // Without automatic wrapping a line of wide characters stays one row too. It is switched back
    // on in the same write, so that no way of ending leaves the terminal without it.
    this.#out.write(`${CSI}?7l${lines.join('\n')}${CSI}?7h`);
    this.#shownRows = lines.length;
  }

  #erase(): void {
    if (this.#shownRows === 0) return;
    const up = this.#shownRows > 1 ? `${CSI}${this.#shownRows - 1}A` : '';
    this.#out.write(`\r${up}${CSI}J`);
    this.#shownRows = 0;
  }
}

function isEmpty(value: string | undefined): boolean {
  return value === undefined || value === '' || value === 'false';
}
