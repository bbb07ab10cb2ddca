/** One temporary file: written at its end, read anywhere, deleted when it is removed or the process ends. */
import { constants, type promises, type StatsFs } from 'node:fs';
import { mkdir, open, statfs, unlink } from 'node:fs/promises';
import { outOfDescriptors, readDescriptorLimits } from '../common/descriptors.ts';

/** The file system calls of the spool, so that a test can make them fail. */
export interface Disk {
  mkdir(path: string, options: { recursive: true; mode: number }): Promise<unknown>;
  open(path: string, flags: number, mode: number): Promise<promises.FileHandle>;
  unlink(path: string): Promise<void>;
  statfs(path: string): Promise<Pick<StatsFs, 'bavail' | 'blocks' | 'bsize'>>;
  /** Whether a file that is open can be unlinked and still be used. False on Windows. */
  readonly unlinksOpenFiles: boolean;
}

export const systemDisk: Disk = {
  mkdir,
  open: openWithinLimit,
  unlink,
  statfs: (path) => statfs(path),
  unlinksOpenFiles: process.platform !== 'win32',
};

/** Fails with `EMFILE` if the descriptor is one of those that are reserved for connections. */
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

// Windows has no O_NOFOLLOW. O_EXCL alone refuses a link that already exists.
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
   * Creates the file and unlinks it at once, where the system allows that. Then only this process can access
   * it, and a crash leaves no file behind.
   */
  static async create(path: string, disk: Disk): Promise<SpoolFile> {
    const handle = await disk.open(path, CREATE, 0o600);
    if (!disk.unlinksOpenFiles) return new SpoolFile(handle, () => disk.unlink(path));
    try {
      await disk.unlink(path);
    } catch (error) {
      // Another process that has just started may have deleted it already.
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

  /** Returns how many bytes the disk has accepted. Call it again only when the promise has resolved. */
  async append(chunks: Buffer[]): Promise<number> {
    const { bytesWritten } = await this.#handle.writev(chunks, this.#size);
    if (bytesWritten === 0) throw new Error('the disk accepts no more bytes');
    this.#size += bytesWritten;
    return bytesWritten;
  }

  /** Reads from `position`: at least one byte, at most `limit`. */
  async read(position: number, limit: number): Promise<Buffer> {
    const length = Math.min(READ_SIZE, limit);
    // Not from the pool, because the reader may keep the buffer.
    const buffer = Buffer.allocUnsafeSlow(length);
    const { bytesRead } = await this.#handle.read(buffer, 0, length, position);
    if (bytesRead === 0) throw new Error('a spool file is shorter than the bytes written to it');
    return buffer.subarray(0, bytesRead);
  }

  /** Closes and deletes the file when its pending reads and writes are done. */
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
