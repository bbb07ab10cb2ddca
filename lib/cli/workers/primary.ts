/**
 * `serve --workers`: the primary process of a cluster whose workers are gateways. It runs the store that
 * they share, replaces workers that end, and forwards their output.
 */
import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { expected } from '../../common/validate.ts';
import type { GatewayAddress } from '../../gateway/server/gateway.ts';
import type { Store } from '../../stores/store.ts';
import { setUpPrimary } from '../../stores/cluster-primary.ts';
import { WorkerPool } from './worker-pool.ts';
import { EXIT_FAILED } from '../cli-error.ts';
import type { RawConfig } from '../config/read-flags.ts';
import { LineOutput } from './line-output.ts';
import { untilStalled } from '../flush-output.ts';
import { MetricsAggregator } from './metrics-aggregator.ts';
import { endOnSignals, stderrLogger } from '../run-gateway.ts';

export interface WorkersOptions {
  readonly count: number;
  /** The configuration of every worker, also of one that starts later. */
  readonly config: RawConfig;
  /** Shared with other machines. Undefined if this machine is alone. */
  readonly store: Store | undefined;
}

export async function runWorkers({
  count,
  config,
  store,
}: WorkersOptions): Promise<GatewayAddress> {
  const primary = setUpPrimary(store ? { store } : {});
  setUpCluster();
  const output = new LineOutput(process.stdout);
  const metrics = new MetricsAggregator(stderrLogger.warn);
  const pool = new WorkerPool(
    {
      count,
      setup: { config: withFormat(config), umask: process.umask(SOCKET_UMASK) },
      warn: stderrLogger.warn,
    },
    {
      onFork: (handle) => {
        output.add(handle.worker.process.stdout);
        metrics.add(handle);
      },
      onExit: (handle) => metrics.remove(handle),
    },
  );
  const close = async (): Promise<number> => {
    void untilStalled(process.stdout).then(() => output.drop());
    const exitedCleanly = await pool.close();
    await primary.stop();
    await store?.close?.();
    return exitedCleanly ? 0 : EXIT_FAILED;
  };
  const unlessClosing = endOnSignals(close, () => pool.kill());
  return unlessClosing(pool.start());
}

/** Catches typing errors: no machine needs more workers. */
const MAX_WORKERS = 256;

/**
 * Reads `workers`. Undefined: a single process without workers.
 *
 * @throws AntractError with `ERR_ANTRACT_OPTION`.
 */
export function readWorkers(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (value === 'auto') return availableParallelism();
  const count = Number(value);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_WORKERS) return count;
  throw expected('workers', `a number from 1 to ${MAX_WORKERS}, or auto`, value);
}

/**
 * The primary creates no file but the Unix socket of the admin endpoints. With this umask, only its owner
 * can use the socket from the moment it exists.
 */
const SOCKET_UMASK = 0o177;

function setUpCluster(): void {
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
}

/** The output of a worker is a pipe, so only the primary knows whether it ends at a terminal. */
function withFormat({ accessLog = 'auto', ...rest }: RawConfig): RawConfig {
  const format = process.stdout.isTTY ? 'pretty' : 'json';
  return { ...rest, accessLog: accessLog === 'auto' ? format : accessLog };
}
