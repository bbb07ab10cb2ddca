/** Names and values that a store may corrupt. */
import { MAX_VALUE } from '../store.ts';

const ODD_NAMES = [
  'default',
  ' ',
  'two  words ',
  'müller.example',
  '☃ and 😀',
  ':{}*[]?^\\',
  '{antract}:states',
  '__proto__',
  '0',
  '%s %d $& \\1',
  `quotes "'\``,
  'x'.repeat(253),
];

const ODD_VALUES = [
  '',
  '0',
  'null',
  '{"state":"paused","reason":"☃ 😀"}',
  'several\nlines\r\nand a \0 in between',
  `"'\\`,
  'x'.repeat(MAX_VALUE),
  '☃'.repeat(MAX_VALUE),
  '😀'.repeat(MAX_VALUE / 2),
];

/** Combines each name with a value. */
export const appsAndValues: ReadonlyMap<string, string> = new Map(
  ODD_NAMES.map((app, index) => [app, ODD_VALUES[index % ODD_VALUES.length]!]),
);
