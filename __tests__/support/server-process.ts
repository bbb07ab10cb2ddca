/** A server in a process of its own, with a directory of its own, that a test can kill and freeze. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** SIGKILL. Resolves when the process has ended. */
export async function killProcess(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

export abstract class ServerProcess {
  protected readonly directory: string;
  protected child: ChildProcess | undefined;

  constructor(name: string) {
    this.directory = mkdtempSync(path.join(tmpdir(), `antract-${name}-`));
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** SIGKILL, frozen or not. Resolves when the process has ended; `start()` restarts it on the same port. */
  kill(): Promise<void> {
    return killProcess(this.child);
  }

  /** SIGSTOP: it neither answers nor accepts, and its connections stay. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  /** SIGCONT: it continues where it was frozen. */
  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
