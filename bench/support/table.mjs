/** Tables in Markdown, for the terminal and for `RESULTS.md`. */

/** The first column is left-aligned, the others are numbers. */
export function table(head, rows) {
  const cells = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const line = (row) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = widths.map((width, i) =>
    i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [line(head), `| ${rule.join(' | ')} |`, ...cells.slice(1).map(line)].join('\n');
}

/** With thousands separated, and as many digits as mean something. */
export function figure(number) {
  if (!Number.isFinite(number)) return '-';
  if (number >= 100) return Math.round(number).toLocaleString('en');
  return number.toFixed(number >= 10 ? 1 : 2);
}

export const times = (number) => `${number.toFixed(2)} x`;
