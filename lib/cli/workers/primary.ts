/**
 * `serve`: the primary process of a cluster whose workers are gateways. It runs the store that
 * they share, replaces workers that end, and forwards their output.
 */
import type { Worker } from 'node:cluster';
import { availableParallelism } from 'node:os';
import { AntractError } from '../../common/errors.ts';
import { expected } from '../../common/validate.ts';
import type { GatewayAddress } from '../../gateway/server/gateway.ts';
import type { Store } from '../../stores/store.ts';
import { setUpPrimary } from '../../stores/cluster-primary.ts';
import { renderReload } from '../../admin/views/command-text.ts';
import { CommandFailure, EXIT_FAILED, toFailure } from '../cli-error.ts';
import { Generations, type GenerationPlan } from './generations.ts';
import {
  onWorkerMessage,
  sendToWorker,
  type ReloadFailure,
  type ReloadOutcome,
} from './worker-messages.ts';
import type { RawConfig } from '../config/read-flags.ts';
import { LineOutput } from './line-output.ts';
import { untilStalled } from '../flush-output.ts';
import { MetricsAggregator } from './metrics-aggregator.ts';
import { stderrLogger } from '../log.ts';
import { endOnSignals } from '../run-gateway.ts';
import type { FirstWorker } from './first-worker.ts';
import { ServiceManager } from '../systemd/service-manager.ts';

export interface WorkersOptions {
  /** The first workers. */
  readonly plan: WorkersPlan;
  /** One of them, from {@link startFirstWorker}. */
  readonly first: FirstWorker;
  /** Reads the configuration again, for a reload. */
  readonly readPlan: () => WorkersPlan;
  /** Adds the names of flags and variables to an error of a worker. */
  readonly explain: (error: unknown) => unknown;
  /** Undefined if nothing outlives the primary and no other machine shares the state. */
  readonly store: Store | undefined;
}

export interface WorkersPlan {
  readonly count: number;
  /** The configuration of every worker, also of one that replaces another one. */
  readonly config: RawConfig;
}

export async function runWorkers({
  plan,
  first: { handle, umask, sockets, notifySocket, takeOver },
  readPlan,
  explain,
  store,
}: WorkersOptions): Promise<GatewayAddress> {
  const primary = setUpPrimary(store ? { store } : {});
  const output = new LineOutput(process.stdout);
  const metrics = new MetricsAggregator(stderrLogger.warn);
  const manager = new ServiceManager({ socket: notifySocket, warn: stderrLogger.warn });
  const generations = new Generations(stderrLogger.warn, {
    onFork: (handle) => {
      output.add(handle.worker.process.stdout);
      metrics.add(handle);
      onWorkerMessage(handle.worker, (message) => {
        if (message.type === 'reload') void answerReload(handle.worker, message.id);
        if (message.type === 'phases') manager.setText(handle, message.text);
      });
    },
    onExit: (handle) => {
      metrics.remove(handle);
      manager.removeText(handle);
    },
  });
  const withSetup = ({ count, config }: WorkersPlan): GenerationPlan => {
    const setup = {
      config: withFormat(config),
      umask,
      sockets,
      reportsPhases: notifySocket !== undefined,
    };
    return { count, setup };
  };
  const reload = async (): Promise<ReloadOutcome> => {
    manager.onReload();
    try {
      const result = await generations.reload(() => withSetup(readPlan()));
      stderrLogger.info(renderReload(result).text.trim());
      return { result };
    } catch (error) {
      return { error: failedReload(explain(error)) };
    } finally {
      manager.onReady();
    }
  };
  const answerReload = async (worker: Worker, id: number): Promise<void> => {
    sendToWorker(worker, { type: 'reloaded', id, outcome: await reload() });
  };
  const close = async (): Promise<number> => {
    manager.onStopping();
    void untilStalled(process.stdout).then(() => output.drop());
    const exitedCleanly = await generations.close();
    await primary.stop();
    await store?.close?.();
    return exitedCleanly ? 0 : EXIT_FAILED;
  };
  const unlessClosing = endOnSignals(close, {
    beforeExit: () => generations.kill(),
    reload: async () => void (await reload()),
  });
  takeOver();
  const address = await unlessClosing(generations.start(withSetup(plan), handle));
  manager.onReady();
  return address;
}

/** Logs why a reload failed, and returns it for the endpoint. */
function failedReload(error: unknown): ReloadFailure {
  const failure = reloadFailure(error);
  stderrLogger.error(`${failure.code}: ${failure.message}`);
  return failure;
}

function reloadFailure(error: unknown): ReloadFailure {
  // The reload was refused, before anything was read or started.
  if (error instanceof AntractError) {
    const { code, status, message } = error;
    return { code, status, message };
  }
  const code = error instanceof CommandFailure ? error.code : undefined;
  return {
    code: code === 'ERR_ANTRACT_PROTOCOL' ? code : 'ERR_ANTRACT_RELOAD',
    status: 500,
    message: `The reload failed, and the old workers continue. ${toFailure(error).message}`,
  };
}

/** Catches typing errors: no machine needs more workers. */
const MAX_WORKERS = 256;

/**
 * Reads `workers`.
 *
 * @throws AntractError with `ERR_ANTRACT_OPTION`.
 */
export function readWorkers(value: unknown): number {
  if (value === undefined) return 1;
  if (value === 'auto') return availableParallelism();
  const count = Number(value);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_WORKERS) return count;
  throw expected('workers', `a number from 1 to ${MAX_WORKERS}, or auto`, value);
}

/** The output of a worker is a pipe, so only the primary knows whether it ends at a terminal. */
function withFormat({ accessLog = 'auto', logFormat = 'auto', ...rest }: RawConfig): RawConfig {
  const automatic = process.stdout.isTTY ? 'pretty' : 'json';
  const format = logFormat === 'auto' ? automatic : logFormat;
  return { ...rest, logFormat, accessLog: accessLog === 'auto' ? format : accessLog };
}
