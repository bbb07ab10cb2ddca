/**
 * Where the temporary files of one instance are: names, room on the disk, and what a process that
 * crashed left behind. Knows nothing of what is written.
 */
import { randomUUID } from 'node:crypto';
import { lstat, readdir, unlink } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { systemClock } from '../clock.ts';
import { type Disk, isErrno, SpoolFile } from './file.ts';

/** Of the whole disk; the last tenth is left to everybody else. */
const KEPT_FREE = 0.1;
/** How much is written between two looks at the disk, which others write to as well. */
const LOOK_EVERY = 64 * 1024 * 1024;

/** Of this user only: in a shared temporary directory anybody could have made it first. */
export function defaultDirectory(): string {
  const { uid, username } = userInfo();
  return path.join(tmpdir(), `antract-spool-${uid >= 0 ? uid : encodeURIComponent(username)}`);
}

export class SpoolDirectory {
  readonly #path: string;
  readonly #disk: Disk;
  #made: Promise<unknown> | undefined;
  #room = 0;

  constructor(directory: string, disk: Disk) {
    this.#path = path.resolve(directory);
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

  #make(): Promise<unknown> {
    return this.#disk.mkdir(this.#path, { recursive: true, mode: 0o700 });
  }

  #open(): Promise<SpoolFile> {
    return SpoolFile.create(path.join(this.#path, newName()), this.#disk);
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
    const names = await readdir(this.#path).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    });
    const swept = await Promise.all(names.map((name) => this.#sweepOne(name)));
    return swept.filter(Boolean).length;
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
