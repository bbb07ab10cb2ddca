/**
 * `serve --workers`: the primary of a cluster whose workers are gateways. It keeps what they share,
 * replaces those that end, and passes on what they print. Knows no flag.
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
import { MetricsAggregator } from './metrics-aggregator.ts';
import { endOnSignals, stderrLogger } from '../run-gateway.ts';

export interface WorkersOptions {
  readonly count: number;
  /** Each is to have the same, also one that starts later. */
  readonly config: RawConfig;
  /** Shared with other machines. Undefined where this one is alone. */
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
  const pool = new WorkerPool({
    count,
    setup: { config: withFormat(config), umask: process.umask(SOCKET_UMASK) },
    joined: (worker) => {
      output.add(worker.worker.process.stdout);
      metrics.add(worker);
    },
    left: (worker) => metrics.remove(worker),
    warn: stderrLogger.warn,
  });
  const close = async (): Promise<number> => {
    const endedWell = await pool.close();
    await primary.stop();
    await store?.close?.();
    return endedWell ? 0 : EXIT_FAILED;
  };
  endOnSignals(close, () => pool.kill());
  return pool.start();
}

/** More than that no machine has use for; a typing error might. */
const MAX_WORKERS = 256;

/** @throws AntractError. Undefined where there are to be none. */
export function readWorkers(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (value === 'auto') return availableParallelism();
  const count = Number(value);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_WORKERS) return count;
  throw expected('workers', `a number from 1 to ${MAX_WORKERS}, or auto`, value);
}

/**
 * It is this process that makes the file of a Unix socket for the admin endpoints, and nothing else:
 * nobody but its owner may use it, from its first moment on.
 */
const SOCKET_UMASK = 0o177;

function setUpCluster(): void {
  // Workers take connections themselves. One that is handed over by the primary, to a worker that dies
  // just then, is closed by nobody: its client would wait for ever.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({
    exec: process.argv[1] as string,
    args: ['worker'],
    // JSON has no RegExp.
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
}

/** Workers write to a pipe, and can't see where it ends. */
function withFormat({ accessLog = 'auto', ...rest }: RawConfig): RawConfig {
  const shown = process.stdout.isTTY ? 'pretty' : 'json';
  return { ...rest, accessLog: accessLog === 'auto' ? shown : accessLog };
}
