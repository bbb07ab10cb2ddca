/** Starts the first worker of `serve`, which loads its code while the primary reads the configuration. */
import cluster from 'node:cluster';
import type { GatewaySockets } from '../../gateway/server/inherited-sockets.ts';
import { UsageError } from '../cli-error.ts';
import { stderrLogger } from '../log.ts';
import { socketsOfWorker, takeInheritedSockets } from '../systemd/inherited-sockets.ts';
import { takeNotifySocket } from '../systemd/service-manager.ts';
import { WorkerHandle } from './worker-handle.ts';

export interface FirstWorker {
  readonly handle: WorkerHandle;
  /** The umask with which this process was started. */
  readonly umask: number;
  /** Inherited sockets, by their descriptors in each worker. */
  readonly sockets: GatewaySockets;
  /** The value of `NOTIFY_SOCKET`. */
  readonly notifySocket: string | undefined;
  /** From now on, the caller ends the worker on a signal. */
  readonly takeOver: () => void;
}

/**
 * The primary creates no file but the Unix socket of the admin endpoints. With this umask, only its owner
 * can use the socket from the moment it exists.
 */
const SOCKET_UMASK = 0o177;

const WORKER_STDIO = ['ignore', 'pipe', 'inherit', 'ipc'] as const;

/** @throws UsageError if this process is a worker of another program, or if a variable of systemd is wrong. */
export function startFirstWorker(): FirstWorker {
  if (!cluster.isPrimary) {
    throw new UsageError(
      'Another program has started `antract serve` as a worker of node:cluster. But `antract serve` starts its own workers. ' +
        "With PM2, remove `instances` and set `exec_mode: 'fork'`. For several workers, use `--workers`.",
    );
  }
  const inherited = takeInheritedSockets(process.env, process.pid, stderrLogger.warn);
  const notifySocket = takeNotifySocket(process.env);
  const umask = process.umask(SOCKET_UMASK);
  // Workers accept connections themselves. If the primary passed a connection to a worker that ends at
  // that moment, no process would close it, and its client would wait without end.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({
    exec: process.argv[1] as string,
    args: ['worker'],
    // The configuration may hold regular expressions, which JSON can't carry.
    serialization: 'advanced',
    stdio: [...WORKER_STDIO, ...inherited.map(({ fd }) => fd)],
  });
  // Before the worker exists: a signal without a listener would end this process and leave the worker.
  const exit = (): void => {
    handle.kill();
    process.exit(0);
  };
  for (const signal of SIGNALS) process.on(signal, exit);
  const handle = new WorkerHandle();
  const takeOver = (): void => {
    for (const signal of SIGNALS) process.off(signal, exit);
  };
  const sockets = socketsOfWorker(inherited, WORKER_STDIO.length);
  return { handle, umask, sockets, notifySocket, takeOver };
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
