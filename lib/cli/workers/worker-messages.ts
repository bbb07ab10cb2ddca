/**
 * What the workers of `serve --workers` and their primary say to each other. The cluster's store uses
 * the same channel, so each message bears a mark.
 */
import cluster, { type Worker } from 'node:cluster';
import type { MetricsJson } from '../../admin/metrics/prom-client.ts';
import type { GatewayAddress } from '../../gateway/server/gateway.ts';
import type { RawConfig } from '../config/read-flags.ts';

const MARK = 'antract:worker';

export interface WorkerFailure {
  readonly exitCode: number;
  readonly message: string;
  /** Whether it names options, by the names that they have in the configuration. */
  readonly namesOptions: boolean;
}

/** What a worker is. */
export interface WorkerSetup {
  readonly config: RawConfig;
  /** Of the files that it makes; the primary has another. */
  readonly umask: number;
}

export type FromWorker =
  /** It listens to its primary from now on. */
  | { readonly type: 'ready' }
  | { readonly type: 'listens'; readonly address: GatewayAddress }
  | { readonly type: 'failed'; readonly failure: WorkerFailure }
  /** What it was asked for. */
  | { readonly type: 'own metrics'; readonly id: number; readonly own: MetricsJson }
  /** Asks for those of all others, and tells its own. */
  | { readonly type: 'metrics'; readonly id: number; readonly own: MetricsJson };

export type ToWorker =
  | { readonly type: 'set up'; readonly setup: WorkerSetup }
  | { readonly type: 'close' }
  | { readonly type: 'own metrics'; readonly id: number }
  | { readonly type: 'metrics'; readonly id: number; readonly others: readonly MetricsJson[] };

/** One that dies just now needs no message. */
export function sendToWorker(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send({ mark: MARK, ...message }, () => undefined);
}

/** In a worker. A primary that is gone is noticed otherwise. */
export function sendToPrimary(message: FromWorker, sent: () => void = () => undefined): void {
  cluster.worker?.process.send?.({ mark: MARK, ...message }, undefined, undefined, sent);
}

export function onWorkerMessage(worker: Worker, listener: (message: FromWorker) => void): void {
  worker.on('message', (message: unknown) => {
    if (isOurs(message)) listener(message as unknown as FromWorker);
  });
}

export function onPrimaryMessage(worker: Worker, listener: (message: ToWorker) => void): void {
  worker.on('message', (message: unknown) => {
    if (isOurs(message)) listener(message as unknown as ToWorker);
  });
}

function isOurs(message: unknown): message is { mark: typeof MARK } {
  return (message as { mark?: unknown } | null)?.mark === MARK;
}
