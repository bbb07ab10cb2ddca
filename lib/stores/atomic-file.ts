/**
 * Writes one file again and again, so that a crash at any moment leaves the old content or the new one.
 */
import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { platform } from 'node:process';

const ONLY_OWNER = 0o600;

export class AtomicFile {
  readonly #path: string;
  readonly #content: () => Promise<string>;
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** @param content called before each write. */
  constructor(path: string, content: () => Promise<string>) {
    this.#path = path;
    this.#content = content;
  }

  /** Removes temporary files that killed processes have left. */
  removeLeftovers(): void {
    const directory = dirname(this.#path);
    const prefix = `${basename(this.#path)}.`;
    try {
      for (const name of readdirSync(directory)) {
        if (name.startsWith(prefix) && name.endsWith('.tmp')) rmSync(join(directory, name));
      }
    } catch {
      // The first write fails, too, and reports the problem.
    }
  }

  /**
   * Resolves when a write has ended that began after this call. Calls during a write share the next one.
   * Rejects if that write fails.
   */
  write(): Promise<void> {
    if (this.#next) return this.#next;
    if (!this.#writing) return this.#begin();
    const begin = (): Promise<void> => this.#begin();
    return (this.#next = this.#writing.then(begin, begin));
  }

  #begin(): Promise<void> {
    this.#next = undefined;
    this.#writing = this.#write().finally(() => (this.#writing = undefined));
    return this.#writing;
  }

  async #write(): Promise<void> {
    const content = await this.#content();
    const temporary = `${this.#path}.${randomUUID()}.tmp`;
    try {
      await writeDurably(temporary, content);
      await rename(temporary, this.#path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    await syncDirectory(dirname(this.#path));
  }
}

async function writeDurably(path: string, content: string): Promise<void> {
  const file = await open(path, 'wx', ONLY_OWNER);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** After a power failure, the name could still refer to the old file. */
async function syncDirectory(path: string): Promise<void> {
  // Windows can't open a directory.
  if (platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
