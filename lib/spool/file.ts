/**
 * One temporary file: written at its end, read anywhere, gone when it is removed or the process
 * ends. Knows nothing of requests.
 */
import { constants, type promises, type StatsFs } from 'node:fs';
import { mkdir, open, statfs, unlink } from 'node:fs/promises';
import { outOfDescriptors, readDescriptorLimits } from '../common/descriptors.ts';

/** The calls a spool makes of the disk, so that a test can make them fail. */
export interface Disk {
  mkdir(path: string, options: { recursive: true; mode: number }): Promise<unknown>;
  open(path: string, flags: number, mode: number): Promise<promises.FileHandle>;
  unlink(path: string): Promise<void>;
  statfs(path: string): Promise<Pick<StatsFs, 'bavail' | 'blocks' | 'bsize'>>;
  /** Whether a file may be unlinked while it is open and still be used: not on Windows. */
  readonly unlinksOpenFiles: boolean;
}

export const systemDisk: Disk = {
  mkdir,
  open: openWithinLimit,
  unlink,
  statfs: (path) => statfs(path),
  unlinksOpenFiles: process.platform !== 'win32',
};

/** Fails as if no file descriptor were left where the last ones are: connections need those. */
async function openWithinLimit(
  path: string,
  flags: number,
  mode: number,
): Promise<promises.FileHandle> {
  const limit = readDescriptorLimits().clients;
  const handle = await open(path, flags, mode);
  if (handle.fd < limit) return handle;
  await handle.close();
  await unlink(path);
  throw outOfDescriptors(`open '${path}'`);
}

const READ_SIZE = 64 * 1024;

// Windows has no O_NOFOLLOW; O_EXCL alone refuses a link that somebody put there first.
const CREATE =
  constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);

export class SpoolFile {
  readonly #handle: promises.FileHandle;
  readonly #unlink: (() => Promise<void>) | undefined;
  #size = 0;
  #removed: Promise<void> | undefined;

  private constructor(handle: promises.FileHandle, unlinkLater?: () => Promise<void>) {
    this.#handle = handle;
    this.#unlink = unlinkLater;
  }

  /**
   * Creates the file and, where the system can, takes its name away at once: then nothing but this
   * process reaches it, and a crash leaves nothing behind.
   */
  static async create(path: string, disk: Disk): Promise<SpoolFile> {
    const handle = await disk.open(path, CREATE, 0o600);
    if (!disk.unlinksOpenFiles) return new SpoolFile(handle, () => disk.unlink(path));
    try {
      await disk.unlink(path);
    } catch (error) {
      // Another process that started now may have swept it away already.
      if (!isErrno(error, 'ENOENT')) {
        await handle.close();
        throw error;
      }
    }
    return new SpoolFile(handle);
  }

  get size(): number {
    return this.#size;
  }

  /** Writes what the disk takes of it, and returns how much that was. Never called twice at once. */
  async append(chunks: Buffer[]): Promise<number> {
    const { bytesWritten } = await this.#handle.writev(chunks, this.#size);
    if (bytesWritten === 0) throw new Error('the disk takes no more bytes');
    this.#size += bytesWritten;
    return bytesWritten;
  }

  /** Some of the bytes from `position` on; at least one. */
  async read(position: number, limit: number): Promise<Buffer> {
    const length = Math.min(READ_SIZE, limit);
    // Not from a pool: the reader may keep it.
    const buffer = Buffer.allocUnsafeSlow(length);
    const { bytesRead } = await this.#handle.read(buffer, 0, length, position);
    if (bytesRead === 0) throw new Error('a spool file is shorter than what was written to it');
    return buffer.subarray(0, bytesRead);
  }

  /** Closes and deletes it, once reads and writes under way are through. */
  remove(): Promise<void> {
    this.#removed ??= this.#closeAndUnlink();
    return this.#removed;
  }

  async #closeAndUnlink(): Promise<void> {
    try {
      await this.#handle.close();
    } finally {
      await this.#unlink?.();
    }
  }
}

export function isErrno(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === code;
}
