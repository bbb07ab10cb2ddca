/**
 * The directory of one instance's temporary files: creates files, limits their use of the disk, and deletes
 * the files of crashed processes.
 */
import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, readdir, stat, unlink } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { systemClock } from '../common/clock.ts';
import { type Disk, isErrno, SpoolFile } from './spool-file.ts';

/** The share of the disk that is kept free for other programs. */
const KEPT_FREE = 0.1;
/** How many bytes are written between two checks of the free space, which other programs use too. */
const CHECK_EVERY = 64 * 1024 * 1024;

/**
 * One directory for each user, because another user could have created it first. Named by the user id,
 * because an id may have no user name (`docker run --user 12345`).
 */
function defaultDirectory(): string {
  const user = process.getuid?.() ?? encodeURIComponent(userInfo().username);
  return path.join(tmpdir(), `antract-spool-${user}`);
}

/** Other users could read or replace the files in the directory. */
export class UnsafeDirectory extends Error {}

export class SpoolDirectory {
  readonly #path: string;
  readonly #isDefault: boolean;
  readonly #disk: Disk;
  #created: Promise<unknown> | undefined;
  /** Settles when the latest file is open, or could not be opened. */
  #opened: Promise<unknown> = Promise.resolve();
  /** Bytes that may be written before the next check of the free space. */
  #claimable = 0;

  /** @param directory the `spool.directory` option; undefined for the default. */
  constructor(directory: string | undefined, disk: Disk) {
    this.#path = path.resolve(directory ?? defaultDirectory());
    this.#isDefault = directory === undefined;
    this.#disk = disk;
  }

  /** Creates the directory for the first file, because most instances never need one. */
  async createFile(): Promise<SpoolFile> {
    const created = (this.#created ??= this.#create());
    try {
      await created;
      return await this.#open();
    } catch (error) {
      // The reason may have gone by then, so the next file tries again.
      if (this.#created === created) this.#created = undefined;
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    // The directory was deleted: systems clean their temporary directory after some days.
    await (this.#created ??= this.#create());
    return this.#open();
  }

  /** Checks the directory after creating it, because another user may have created it before. */
  async #create(): Promise<void> {
    try {
      await this.#disk.mkdir(this.#path, { recursive: true, mode: 0o700 });
    } catch (error) {
      // A file or a broken link has this name. The check reports which.
      await this.#check().catch((reason: unknown) => {
        if (reason instanceof UnsafeDirectory) throw reason;
      });
      throw error;
    }
    await this.#check();
  }

  /**
   * Throws if other users could have created the directory, or can replace its files. The name of the default
   * directory can be guessed. A directory that the user has set may be a link, and may be shared.
   */
  async #check(): Promise<void> {
    const found = this.#isDefault ? await lstat(this.#path) : await stat(this.#path);
    const reason = this.#isDefault ? whyDefaultUnsafe(found) : whyUnsafe(found);
    if (reason === undefined) return;
    throw new UnsafeDirectory(`the spool directory ${this.#path} is not used, because ${reason}`);
  }

  /**
   * Opens one file at a time. Only an open file shows whether its descriptor exceeds the limit, and many at
   * once would take the descriptors that new connections need.
   */
  #open(): Promise<SpoolFile> {
    const create = () => SpoolFile.create(path.join(this.#path, newName()), this.#disk);
    const file = this.#opened.then(create);
    this.#opened = file.catch(() => undefined);
    return file;
  }

  /** Throws if the bytes would use the part of the disk that is kept free. */
  async claim(bytes: number): Promise<void> {
    if (bytes > this.#claimable) this.#claimable = Math.min(await this.#free(), CHECK_EVERY);
    if (bytes > this.#claimable)
      throw new Error('the disk is nearly full: its last 10 % are kept free');
    this.#claimable -= bytes;
  }

  async #free(): Promise<number> {
    const { bavail, blocks, bsize } = await this.#disk.statfs(this.#path);
    return (bavail - blocks * KEPT_FREE) * bsize;
  }

  /**
   * Deletes the files of processes that have ended, and returns their number. Keeps the files of running
   * processes, and those of other hosts that share the directory. If another process has got the number of an
   * ended one, the file stays until that process has ended too.
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
      if (owner.pid === process.pid ? await isOwn(file) : isAlive(owner.pid)) return false;
      await unlink(file);
      return true;
    } catch (error) {
      // Another process that starts at the same time has deleted it.
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  }
}

function whyDefaultUnsafe(found: Stats): string | undefined {
  if (found.isSymbolicLink()) return 'it is a symbolic link';
  if (!found.isDirectory()) return 'it is not a directory';
  const uid = process.getuid?.();
  // Node shows no owners and permissions on Windows.
  if (uid === undefined) return undefined;
  if (found.uid !== uid) return `it belongs to user ${found.uid}, and antract runs as ${uid}`;
  return (found.mode & 0o022) === 0 ? undefined : 'other users can write to it';
}

/** With the sticky bit, as on `/tmp`, users can't delete or rename the files of other users. */
function whyUnsafe(found: Stats): string | undefined {
  if (!found.isDirectory()) return 'it is not a directory';
  const isWorldWritable = process.platform !== 'win32' && (found.mode & 0o002) !== 0;
  return isWorldWritable && (found.mode & 0o1000) === 0 ? 'every user can write to it' : undefined;
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
    // EPERM: it is running, and belongs to another user.
    return !isErrno(error, 'ESRCH');
  }
}

/** In a container every process may have the number 1. A file of this process is newer than its start. */
async function isOwn(file: string): Promise<boolean> {
  const { mtimeMs } = await lstat(file);
  return mtimeMs >= systemClock.date() - process.uptime() * 1000 - CLOCK_SLACK_MS;
}

const CLOCK_SLACK_MS = 2000;
