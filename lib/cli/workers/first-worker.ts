/** Starts the first worker of `serve`, which loads its code while the primary reads the configuration. */
import cluster from 'node:cluster';
import { WorkerHandle } from './worker-handle.ts';

export interface FirstWorker {
  readonly handle: WorkerHandle;
  /** The umask with which this process was started. */
  readonly umask: number;
  /** From now on, the caller ends the worker on a signal. */
  readonly takeOver: () => void;
}

/**
 * The primary creates no file but the Unix socket of the admin endpoints. With this umask, only its owner
 * can use the socket from the moment it exists.
 */
const SOCKET_UMASK = 0o177;

export function startFirstWorker(): FirstWorker {
  const umask = process.umask(SOCKET_UMASK);
  // Workers accept connections themselves. If the primary passed a connection to a worker that ends at
  // that moment, no process would close it, and its client would wait without end.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({
    exec: process.argv[1] as string,
    args: ['worker'],
    // The configuration may hold regular expressions, which JSON can't carry.
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const handle = new WorkerHandle();
  const exit = (): void => {
    handle.kill();
    process.exit(0);
  };
  for (const signal of SIGNALS) process.on(signal, exit);
  const takeOver = (): void => {
    for (const signal of SIGNALS) process.off(signal, exit);
  };
  return { handle, umask, takeOver };
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
