/**
 * The messages between the primary and the workers of `serve --workers`. Each one carries a mark, because
 * the cluster store uses the same channel.
 */
import cluster, { type Worker } from 'node:cluster';
import type { ReloadResult } from '../../admin/access/access-check.ts';
import type { MetricsJson } from '../../admin/metrics/prom-client.ts';
import type { AntractErrorCode } from '../../common/errors.ts';
import type { GatewayAddress } from '../../gateway/server/gateway.ts';
import type { GatewaySockets } from '../../gateway/server/inherited-sockets.ts';
import type { RawConfig } from '../config/read-flags.ts';

const MARK = 'antract:worker';

export interface WorkerFailure {
  readonly exitCode: number;
  readonly message: string;
  readonly code?: AntractErrorCode;
  /** Whether the message names options, as the configuration does. */
  readonly namesOptions: boolean;
}

export interface WorkerSetup {
  readonly config: RawConfig;
  /** The umask of the worker; the primary has another one. */
  readonly umask: number;
  /** Inherited sockets, by their descriptors in the worker. Undefined from a primary of an older version. */
  readonly sockets?: GatewaySockets;
  /** Whether the worker sends `phases`. */
  readonly reportsPhases?: boolean;
}

export interface ReloadFailure {
  readonly code: AntractErrorCode;
  /** The HTTP status of the endpoint. */
  readonly status: number;
  readonly message: string;
}

export type ReloadOutcome = { readonly result: ReloadResult } | { readonly error: ReloadFailure };

export type FromWorker =
  /** The worker now handles messages. */
  | { readonly type: 'ready'; readonly protocol?: number }
  | { readonly type: 'listens'; readonly address: GatewayAddress }
  | { readonly type: 'failed'; readonly failure: WorkerFailure }
  /** The response to `own metrics`. */
  | { readonly type: 'own metrics'; readonly id: number; readonly own: MetricsJson }
  /** Sent before the worker exits. */
  | { readonly type: 'last metrics'; readonly own: MetricsJson }
  /** Requests the metrics of all other workers. */
  | { readonly type: 'metrics'; readonly id: number; readonly own: MetricsJson }
  | { readonly type: 'reload'; readonly id: number }
  /** The phases of all apps as one line. Sent when they change. */
  | { readonly type: 'phases'; readonly text: string };

export type ToWorker =
  | { readonly type: 'set up'; readonly setup: WorkerSetup }
  | { readonly type: 'close' }
  /** Other workers have taken over: finish all requests, also held ones, and exit. */
  | { readonly type: 'leave'; readonly generation: number }
  /** The response to `reload`. */
  | { readonly type: 'reloaded'; readonly id: number; readonly outcome: ReloadOutcome }
  | { readonly type: 'own metrics'; readonly id: number }
  | { readonly type: 'metrics'; readonly id: number; readonly others: readonly MetricsJson[] };

/** Does nothing if the worker has disconnected; its exit is handled elsewhere. */
export function sendToWorker(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send({ mark: MARK, ...message }, () => undefined);
}

/** Called in a worker. The `disconnect` event reports a primary that has ended. */
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
