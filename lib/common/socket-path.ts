/** Validates the path of a Unix socket. */
import { platform } from 'node:os';
import { AntractError } from './errors.ts';
import { expected, type Reader } from './validate.ts';

/** The size of `sun_path` without its final zero byte. Node silently truncates a longer path. */
const MAX_BYTES = platform() === 'linux' ? 107 : 103;

/** Reads an absolute path that is short enough for the system. */
export const readSocketPath: Reader<string> = (name, value) => {
  const isPath = typeof value === 'string' && /^\/\P{Cc}*$/u.test(value) && !value.endsWith('/');
  if (!isPath) throw expected(name, 'the absolute path of a Unix socket', value);
  const bytes = Buffer.byteLength(value);
  if (bytes <= MAX_BYTES) return value;
  throw new AntractError(
    'ERR_ANTRACT_OPTION',
    `Expected \`${name}\` to be the path of a Unix socket of at most ${MAX_BYTES} bytes, which is the ` +
      `system's limit, got ${bytes} bytes.`,
  );
};
