/** Colours for a terminal. */
import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';
import type { Phase } from '../gate/phase.ts';

export type Colour = 'green' | 'yellow' | 'cyan' | 'red' | 'dim' | 'bold';

/** Colours a text, or returns it as it is. */
export type Paint = (colour: Colour, text: string) => string;

type Out = Partial<Pick<WriteStream, 'isTTY' | 'hasColors'>>;

/** Follows `FORCE_COLOR` (https://force-color.org) and `NO_COLOR` (https://no-color.org), then the terminal. */
export function createPaint(out: Out, env: NodeJS.ProcessEnv): Paint {
  if (!hasColours(out, env)) return (_colour, text) => text;
  return (colour, text) => styleText(colour, text, { validateStream: false });
}

function hasColours(out: Out, env: NodeJS.ProcessEnv): boolean {
  const { FORCE_COLOR: force = '', NO_COLOR: none = '', TERM: term } = env;
  if (force !== '') return force !== '0' && force !== 'false';
  if (none !== '' || term === 'dumb') return false;
  return out.isTTY === true && (out.hasColors?.() ?? true);
}

export const PHASE_COLOURS: Readonly<Record<Phase, Colour>> = {
  running: 'green',
  pausing: 'yellow',
  paused: 'yellow',
  releasing: 'cyan',
  stopped: 'red',
};
