/**
 * `antract worker`, which only `serve` starts: a gateway that shares its port with other workers.
 * Only the primary handles signals; it tells the workers to close.
 */
import cluster, { type Worker } from 'node:cluster';
import type { Command } from 'commander';
import { AntractError } from '../../common/errors.ts';
import type { createGateway, Gateway, GatewayPeers } from '../../gateway/server/gateway.ts';
import { ClusterStore } from '../../stores/cluster-store.ts';
import { PROTOCOL } from '../../stores/store.ts';
import { EXIT_FAILED, EXIT_USAGE, toFailure, UsageError } from '../cli-error.ts';
import { readLogFormat, toGatewayConfig } from '../config/gateway-config.ts';
import { untilRead } from '../flush-output.ts';
import { createCliLogger, setLogFormat, stderrLogger } from '../log.ts';
import { CLOSING_SIGNALS } from '../run-gateway.ts';
import { WorkerMetrics } from '../workers/worker-metrics.ts';
import { reloadThrough } from '../workers/worker-reload.ts';
import { reportPhases } from '../systemd/phase-reporter.ts';
import {
  onPrimaryMessage,
  sendToPrimary,
  type WorkerFailure,
  type WorkerSetup,
} from '../workers/worker-messages.ts';

type CreateGateway = typeof createGateway;

export function addWorker(program: Command): void {
  program
    .command('worker', { hidden: true })
    .description('One of the workers of `serve`, which starts it.')
    .action(() => {
      if (!cluster.worker) {
        throw new UsageError('A worker is started by `antract serve`, not by hand.');
      }
      runWorker(cluster.worker);
    });
}

function runWorker(worker: Worker): void {
  const metrics = new WorkerMetrics(worker, stderrLogger.warn);
  // A terminal and some service managers signal all processes of a group. Ignore that here, because the
  // primary sends `close`.
  for (const signal of CLOSING_SIGNALS) process.on(signal, () => undefined);
  const reload = reloadThrough(worker);
  const loading = load();
  let gateway: Gateway | undefined;
  let isEnding = false;
  const end = async (finish: () => Promise<void> | undefined): Promise<void> => {
    // A gateway that is leaving can be closed.
    const finished = exitCodeOf(finish);
    if (isEnding) return;
    isEnding = true;
    const code = await finished;
    await metrics.sendLast();
    // Only the primary sees the reader. If the reader stalls, the primary reads on and drops the lines.
    await untilRead(process.stdout);
    process.exit(code);
  };
  worker.on('disconnect', () => {
    // Without this, Node ends the process at once and drops its requests in flight.
    worker.exitedAfterDisconnect = true;
    stderrLogger.warn(`worker ${process.pid}: the primary process has ended; closing.`);
    void end(() => gateway?.close());
  });
  onPrimaryMessage(worker, (message) => {
    if (message.type === 'close') void end(() => gateway?.close());
    if (message.type === 'leave') void end(() => gateway?.leave(message.generation));
    if (message.type !== 'set up') return;
    process.umask(message.setup.umask);
    setLogFormat(readLogFormat(message.setup.config['logFormat']));
    void loading.then((create) => {
      if (!isEnding) gateway = open(create, message.setup, { metrics, reload });
    });
  });
  sendToPrimary({ type: 'ready', protocol: PROTOCOL });
}

/** The primary and all other commands start faster without these modules. */
async function load(): Promise<CreateGateway> {
  return (await import('../../gateway/server/gateway.ts')).createGateway;
}

function open(
  createGateway: CreateGateway,
  { config, sockets = {}, reportsPhases }: WorkerSetup,
  peers: GatewayPeers,
): Gateway | undefined {
  try {
    const logger = createCliLogger(`worker ${process.pid}: `);
    const given = toGatewayConfig(config, logger);
    const gateway = createGateway({ ...given, store: new ClusterStore() }, { ...peers, sockets });
    gateway.listen().then(
      (address) => {
        sendToPrimary({ type: 'listens', address });
        if (!reportsPhases) return;
        reportPhases(gateway.antract.list, (text) => sendToPrimary({ type: 'phases', text }));
      },
      async (error: unknown) => {
        // The gateway has joined the store. Unless it leaves, its process counts as silent, and blocks drains.
        await gateway.close().catch(() => undefined);
        reportFailure(error);
      },
    );
    return gateway;
  } catch (error) {
    reportFailure(error);
    return undefined;
  }
}

/** The primary prints the failure, with the flag or variable that set the option. */
function reportFailure(error: unknown): void {
  const failure = failureOf(error);
  sendToPrimary({ type: 'failed', failure }, () => process.exit(failure.exitCode));
}

function failureOf(error: unknown): WorkerFailure {
  if (error instanceof AntractError) {
    const { code, message } = error;
    if (code === 'ERR_ANTRACT_PROTOCOL') {
      return { exitCode: EXIT_FAILED, message, code, namesOptions: false };
    }
    return { exitCode: EXIT_USAGE, message, namesOptions: true };
  }
  const { exitCode, message = String(error) } = toFailure(error);
  return { exitCode, message, namesOptions: false };
}

async function exitCodeOf(finish: () => Promise<void> | undefined): Promise<number> {
  try {
    await finish();
    return 0;
  } catch (error) {
    stderrLogger.error(String(error));
    return EXIT_FAILED;
  }
}
