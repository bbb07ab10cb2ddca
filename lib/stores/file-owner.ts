/**
 * Names the process that writes a state file, and tells whether that process still runs.
 *
 * The file itself names its owner. So there is no lock that a killed process leaves behind, and no wait until
 * a lock counts as stale, which would delay a restart.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { kill, pid } from 'node:process';

export interface FileOwner {
  /** Identifies the store. One process may open two. */
  readonly id: string;
  readonly pid: number;
  /** Tells processes with the same pid apart. Null where the system has no `/proc`. */
  readonly startedAt: string | null;
  /** The pid means nothing in another namespace, such as another container. Null as above. */
  readonly namespace: string | null;
}

export function ownFile(): FileOwner {
  const startedAt = startOf(pid) ?? null;
  return { id: randomUUID(), pid, startedAt, namespace: ownNamespace() };
}

/**
 * Whether the process is seen to run. An owner in another container or on another machine can't be seen. It
 * finds out by itself before its next write that the file has a new owner.
 */
export function isRunning(owner: FileOwner): boolean {
  if (owner.namespace !== ownNamespace() || !exists(owner.pid)) return false;
  const startedAt = startOf(owner.pid);
  if (startedAt === undefined || owner.startedAt === null) return true;
  return startedAt === owner.startedAt;
}

function exists(id: number): boolean {
  try {
    return kill(id, 0);
  } catch (error) {
    // The process of another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Names this start of the machine and the start of the process on it. A killed process has none. */
function startOf(id: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${id}/stat`, 'utf8');
    // The second field, the name of the program, may contain spaces and brackets. See proc(5).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state] = fields;
    // A zombie runs no more. Its parent has not read its exit code.
    if (state === 'Z' || state === 'X') return 'ended';
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${fields[19]}`;
  } catch {
    return undefined;
  }
}

function ownNamespace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
}
