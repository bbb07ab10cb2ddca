/**
 * Where the temporary files of one instance are: names, room on the disk, and what a process that
 * crashed left behind. Knows nothing of what is written.
 */
import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, readdir, stat, unlink } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { systemClock } from '../common/clock.ts';
import { type Disk, isErrno, SpoolFile } from './file.ts';

/** Of the whole disk; the last tenth is left to everybody else. */
const KEPT_FREE = 0.1;
/** How much is written between two looks at the disk, which others write to as well. */
const LOOK_EVERY = 64 * 1024 * 1024;

/**
 * One for each user: in a shared temporary directory anybody could have made it first. Not by the
 * name of the user, as a user id needs no entry in the system's list (`docker run --user 12345`).
 */
function defaultDirectory(): string {
  const user = process.getuid?.() ?? encodeURIComponent(userInfo().username);
  return path.join(tmpdir(), `antract-spool-${user}`);
}

/** Others could read or replace what is written to the directory. */
export class UnsafeDirectory extends Error {}

export class SpoolDirectory {
  readonly #path: string;
  readonly #isDefault: boolean;
  readonly #disk: Disk;
  #made: Promise<unknown> | undefined;
  /** Settles when the latest file has been opened, or could not be. */
  #opened: Promise<unknown> = Promise.resolve();
  #room = 0;

  /** @param directory where the user wants it; undefined for the default. */
  constructor(directory: string | undefined, disk: Disk) {
    this.#path = path.resolve(directory ?? defaultDirectory());
    this.#isDefault = directory === undefined;
    this.#disk = disk;
  }

  /** Made when the first body needs it: most instances never do. */
  async createFile(): Promise<SpoolFile> {
    const made = (this.#made ??= this.#make());
    try {
      await made;
      return await this.#open();
    } catch (error) {
      // Somebody may have made room for it: the next file tries afresh.
      if (this.#made === made) this.#made = undefined;
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    // Systems delete what nobody has used for days in their temporary directory.
    await (this.#made ??= this.#make());
    return this.#open();
  }

  /** Looks after making it: what was there before may have been made by somebody else. */
  async #make(): Promise<void> {
    try {
      await this.#disk.mkdir(this.#path, { recursive: true, mode: 0o700 });
    } catch (error) {
      // A file or a broken link is in the way: the check says which.
      await this.#check().catch((reason: unknown) => {
        if (reason instanceof UnsafeDirectory) throw reason;
      });
      throw error;
    }
    await this.#check();
  }

  /**
   * Throws when others could have put the directory there, or can replace what is in it. The default
   * has a name that anybody can guess. One that the user names may be a link, and may be shared.
   */
  async #check(): Promise<void> {
    const found = this.#isDefault ? await lstat(this.#path) : await stat(this.#path);
    const why = this.#isDefault ? whyNotOurs(found) : whyNotSafe(found);
    if (why === undefined) return;
    throw new UnsafeDirectory(`the spool directory ${this.#path} is not used, because ${why}`);
  }

  /**
   * Opens one file at a time. Only an open file shows whether its descriptor exceeds the limit, and
   * many at once would take the descriptors that new connections need.
   */
  #open(): Promise<SpoolFile> {
    const create = () => SpoolFile.create(path.join(this.#path, newName()), this.#disk);
    const file = this.#opened.then(create);
    this.#opened = file.catch(() => undefined);
    return file;
  }

  /** Throws when the bytes would go into the part of the disk that is kept free. */
  async claim(bytes: number): Promise<void> {
    if (bytes > this.#room) this.#room = Math.min(await this.#free(), LOOK_EVERY);
    if (bytes > this.#room) throw new Error('the disk is nearly full, its last 10 % are kept free');
    this.#room -= bytes;
  }

  async #free(): Promise<number> {
    const { bavail, blocks, bsize } = await this.#disk.statfs(this.#path);
    return (bavail - blocks * KEPT_FREE) * bsize;
  }

  /**
   * Deletes what processes that are gone left behind, and returns how many files that were. A file
   * of a process that lives is never touched, nor one of another host that shares the directory;
   * one whose process number was given to somebody else stays until that process is gone too.
   */
  async sweep(): Promise<number> {
    const names = await this.#list();
    const swept = await Promise.all(names.map((name) => this.#sweepOne(name)));
    return swept.filter(Boolean).length;
  }

  async #list(): Promise<string[]> {
    try {
      await this.#check();
      return await readdir(this.#path);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }

  async #sweepOne(name: string): Promise<boolean> {
    const owner = readName(name);
    if (owner?.host !== hostTag()) return false;
    const file = path.join(this.#path, name);
    try {
      if (owner.pid === process.pid ? await isOurs(file) : isAlive(owner.pid)) return false;
      await unlink(file);
      return true;
    } catch (error) {
      // Another process that starts at the same time sweeps as well.
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  }
}

function whyNotOurs(found: Stats): string | undefined {
  if (found.isSymbolicLink()) return 'it is a symbolic link';
  if (!found.isDirectory()) return 'it is not a directory';
  const uid = process.getuid?.();
  // Windows has neither owners nor permissions here.
  if (uid === undefined) return undefined;
  if (found.uid !== uid) return `it belongs to user ${found.uid}, and antract runs as ${uid}`;
  return (found.mode & 0o022) === 0 ? undefined : 'other users can write to it';
}

/** With the sticky bit, as `/tmp` has it, nobody can remove or rename what belongs to others. */
function whyNotSafe(found: Stats): string | undefined {
  if (!found.isDirectory()) return 'it is not a directory';
  const isOpen = process.platform !== 'win32' && (found.mode & 0o002) !== 0;
  return isOpen && (found.mode & 0o1000) === 0 ? 'every user can write to it' : undefined;
}

const hostTag = (): string => encodeURIComponent(hostname());

const newName = (): string => `${hostTag()}!${process.pid}!${randomUUID()}.spool`;

function readName(name: string): { host: string; pid: number } | undefined {
  const match = /^(.+)!(\d+)![\da-f-]{36}\.spool$/.exec(name);
  return match ? { host: match[1] as string, pid: Number(match[2]) } : undefined;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return !isErrno(error, 'ESRCH');
  }
}

/** In a container every process may be number 1: ours has written to its files since it started. */
async function isOurs(file: string): Promise<boolean> {
  const { mtimeMs } = await lstat(file);
  return mtimeMs >= systemClock.date() - process.uptime() * 1000 - CLOCK_SLACK_MS;
}

const CLOCK_SLACK_MS = 2000;
