/**
 * The format of the state file: JSON with a format number and a checksum.
 *
 * A file that can't be read with certainty is refused, because the process would not know of a pause in it.
 */
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { AntractError } from '../common/errors.ts';
import { formatBytes } from '../common/format.js';
import { isPlainObject } from '../common/validate.ts';
import type { FileOwner } from './file-owner.ts';
import type { KeptState, KeptStates } from './records.ts';

export interface StateFile extends KeptStates {
  /** The process that writes the file; null after it has closed the store. */
  readonly owner: FileOwner | null;
  /** When the file was written, in milliseconds since the epoch on the clock of the machine. */
  readonly writtenAt: number;
  /** The same moment on the clock of the store, which all other times are on. */
  readonly now: number;
}

const RESTORE = 'Restore the file, or move it away to start with all apps running.';

/** Raise it with every change that an older version can't read, also of the values. */
const FORMAT = 1;

/** In bytes. A thousand apps, the default of `maxApps`, need less than 7 MiB, however long their texts are. */
const MAX_SIZE = 64 * 1024 ** 2;
const SIZE_LIMIT = `antract reads at most ${formatBytes(MAX_SIZE)}`;

/** @throws Error if the file would be too large to be read. */
export function serializeFile({ owner, writtenAt, now, lastVersion, states }: StateFile): string {
  // A list, because an object can't have an app named `__proto__`.
  const apps = [...states].map(([app, state]) => ({ app, ...state }));
  const content = { format: FORMAT, writtenAt, now, lastVersion, owner, apps };
  const text = `${JSON.stringify({ ...content, checksum: checksumOf(content) }, undefined, 2)}\n`;
  const size = Buffer.byteLength(text);
  if (size > MAX_SIZE) throw new Error(`it would have ${formatBytes(size)}, and ${SIZE_LIMIT}`);
  return text;
}

/** Returns the path without links. A write replaces the file, and must not replace a link to it. */
export function realPath(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    return targetOf(absolute) ?? absolute;
  }
}

/** Where a link leads whose file does not exist yet. */
function targetOf(path: string): string | undefined {
  try {
    return resolve(dirname(path), readlinkSync(path));
  } catch {
    return undefined;
  }
}

/**
 * Checks whether a store could keep its state in the file. Changes nothing, and ignores whether another process uses the file.
 *
 * @throws AntractError `ERR_ANTRACT_STATE_FILE` if the file can't be read with certainty, or can't be written.
 */
export function checkStateFile(path: string): void {
  const real = realPath(path);
  readStateFile(real);
  try {
    // A write creates a new file, and replaces the old one with it.
    accessSync(dirname(real), constants.W_OK | constants.X_OK);
  } catch (error) {
    const { message } = error as Error;
    throw new AntractError(
      'ERR_ANTRACT_STATE_FILE',
      `The state file ${path} can't be written (${message}), so a pause would not survive a restart of antract. Give the user of this process the right to write to its directory, or choose another path.`,
      { status: 500 },
    );
  }
}

/**
 * Returns undefined if there is no file.
 *
 * @throws AntractError `ERR_ANTRACT_STATE_FILE` if the file can't be read with certainty.
 */
export function readStateFile(path: string): StateFile | undefined {
  let text: string;
  try {
    // To read a pipe would wait for its writer, and a device may have no end.
    const stat = statSync(path);
    if (!stat.isFile()) throw refusal(path, 'is not a regular file', 'Choose another path.');
    if (stat.size > MAX_SIZE) {
      throw refusal(path, `has ${formatBytes(stat.size)}, and ${SIZE_LIMIT}`, RESTORE);
    }
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof AntractError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && existsSync(dirname(path))) return undefined;
    const advice =
      code === 'ENOENT'
        ? 'Create its directory'
        : 'Give the user of this process the right to read it';
    throw refusal(path, `can't be read (${message})`, `${advice}, or choose another path.`);
  }
  return parseFile(path, text);
}

/** @throws AntractError `ERR_ANTRACT_STATE_FILE` */
export function parseFile(path: string, text: string): StateFile {
  const parsed = parse(text);
  const format = parsed?.['format'];
  if (typeof format === 'number' && format > FORMAT) {
    throw refusal(
      path,
      `has format ${format}, and this version of antract reads format ${FORMAT}`,
      'Start the newer version that wrote the file. Or move the file away to start with all apps running.',
    );
  }
  const read = parsed && readContent(parsed);
  if (read) return read;
  throw refusal(path, 'is damaged, or antract did not write it', RESTORE);
}

/**
 * The file is in use.
 *
 * @param by such as `process 7`.
 */
export function useError(path: string, by: string): AntractError {
  return new AntractError(
    'ERR_ANTRACT_STATE_FILE',
    `The state file ${path} is in use by ${by}. antract does not start, because the two would overwrite each other's state. End the other one first, or choose another path.`,
    { status: 500 },
  );
}

/** @param advice what the operator can do. */
function refusal(path: string, problem: string, advice: string): AntractError {
  return new AntractError(
    'ERR_ANTRACT_STATE_FILE',
    `The state file ${path} ${problem}. antract does not start, because it would not know which apps are paused. ${advice}`,
    { status: 500 },
  );
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isPlainObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Returns undefined for content that `serializeFile()` would not have written. */
function readContent({ checksum, ...content }: Record<string, unknown>): StateFile | undefined {
  const { format, writtenAt, now, lastVersion, owner, apps } = content;
  if (format !== FORMAT || checksum !== checksumOf(content)) return undefined;
  if (![writtenAt, now, lastVersion].every(Number.isFinite)) return undefined;
  if (!Array.isArray(apps) || !apps.every(isApp)) return undefined;
  if (owner !== null && !isOwner(owner)) return undefined;
  const states = new Map(apps.map(({ app, ...state }) => [app, state]));
  return { writtenAt, now, lastVersion, owner, states } as StateFile;
}

function isApp(value: unknown): value is KeptState & { app: string } {
  if (!isPlainObject(value)) return false;
  const { app, version, at, until, value: text } = value;
  const areTexts = typeof app === 'string' && typeof text === 'string';
  return areTexts && Number.isSafeInteger(version) && [at, until].every(Number.isFinite);
}

function isOwner(value: unknown): value is FileOwner {
  if (!isPlainObject(value)) return false;
  const { id, pid, startedAt, namespace } = value;
  const isTextOrNull = (one: unknown): boolean => one === null || typeof one === 'string';
  return (
    typeof id === 'string' &&
    Number.isSafeInteger(pid) &&
    [startedAt, namespace].every(isTextOrNull)
  );
}

/** Finds damage that leaves the JSON valid: a changed letter could turn a pause into an unknown state. */
function checksumOf(content: object): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}
