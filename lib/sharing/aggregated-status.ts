/**
 * The status and traffic of an app, aggregated over the reports of all processes.
 */
import { oldest } from '../gate/in-flight.ts';
import {
  sumCounts,
  type BackendStatus,
  type ProcessStatus,
  type StatusFields,
} from '../gate/status.ts';
import {
  reportTraffic,
  trafficStatus,
  type TrafficReport,
  type TrafficStatus,
} from '../gate/traffic-report.ts';
import { LOST_AFTER_MS, type Peer } from './peers.ts';
import type { AppReport, ProcessOrigin } from './process-report.ts';

export interface ProcessReports {
  readonly self: ProcessOrigin;
  readonly own: AppReport;
  readonly peers: readonly Peer[];
  /** The version of the desired state that all processes must acknowledge. */
  readonly version: number;
  /** The state was published, and no missing or unknown process can still send requests to the backend. */
  readonly isInForce: boolean;
  readonly now: number;
}

/** Whether a process has acknowledged the desired state that is known here. */
function hasAcknowledged(app: AppReport | undefined, version: number): boolean {
  return version === 0 || (app !== undefined && app.version >= version);
}

/** Whether a process has the same version. A report on a later version says nothing about this one. */
function hasSameVersion(app: AppReport | undefined, version: number): boolean {
  return hasAcknowledged(app, version) && (app?.version ?? 0) <= version;
}

/** Adds up the counts of all processes. The desired state is the same in all of them. */
export function joinStatus(
  app: string,
  status: StatusFields,
  processes: ProcessReports,
): StatusFields {
  const reports = [processes.own, ...freshReports(app, processes)];
  const oldestHolds = reports.flatMap(({ oldestHoldMs }) => oldestHoldMs ?? []);
  const trends = reports.flatMap(({ heldDelta }) => heldDelta ?? []);
  const phase = joinPhase(app, status, processes);
  const { stragglers: _own, ...rest } = status;
  return {
    ...rest,
    phase,
    backend: joinBackend(app, status, processes),
    ...sumCounts(reports),
    // Each process has a queue of its own, with the same limit.
    heldLimit: status.heldLimit && status.heldLimit * (1 + freshPeers(processes).length),
    traffic: joinMinutes(status, reports),
    oldestHoldMs: oldestHolds.length > 0 ? Math.max(...oldestHolds) : null,
    heldDelta: trends.length > 0 ? trends.reduce((total, heldDelta) => total + heldDelta, 0) : null,
    ...(phase === 'pausing' && {
      stragglers: oldest(reports.flatMap(({ stragglers }) => stragglers)),
    }),
    processes: processesOf(app, processes),
  };
}

/**
 * Returns the reports of an app from processes that have reported recently. During an outage of the store,
 * older counts say nothing about the present.
 */
export function freshReports(
  app: string,
  processes: Pick<ProcessReports, 'peers' | 'now'>,
): AppReport[] {
  return freshPeers(processes).flatMap(({ apps }) => apps[app] ?? []);
}

function freshPeers({ peers, now }: Pick<ProcessReports, 'peers' | 'now'>): Peer[] {
  return peers.filter(({ heardAt }) => now - heardAt < LOST_AFTER_MS);
}

/** A process without requests in the last minute reports none; its window is at least that of this process. */
function joinMinutes({ traffic: own }: StatusFields, reports: readonly AppReport[]): TrafficStatus {
  const joined = trafficStatus(reports.flatMap(({ traffic }) => traffic.minute ?? []));
  return { ...joined, windowMs: Math.max(own.windowMs, joined.windowMs) };
}

/**
 * The backend is down if any process sees it down. An old observation does not count if its process no
 * longer probes, and another process has received an answer since.
 */
function joinBackend(
  app: string,
  { backend: own }: StatusFields,
  processes: ProcessReports,
): BackendStatus {
  const others = processes.peers.flatMap(({ apps, heardAt }) => {
    const { backend } = apps[app] ?? {};
    const age = Math.round(processes.now - heardAt);
    const seenMs = (backend?.seenMs ?? 0) + age;
    return backend ? [{ ...backend, seenMs, forMs: (backend.forMs ?? 0) + age }] : [];
  });
  const all = [own, ...others];
  const lastAnswer = Math.min(
    processes.own.answeredMs ?? Infinity,
    ...answersElsewhere(app, processes),
  );
  const isDown = ({ state, seenMs, probing }: BackendStatus): boolean =>
    state === 'down' && (probing || (seenMs ?? 0) <= lastAnswer);
  const down = all.find(isDown);
  if (down) return down;
  const saysSomething = own.state !== 'down' && (own.state === 'up' || own.summary !== null);
  if (saysSomething) return own;
  const up = all.find(({ state }) => state === 'up');
  return up ?? (own.state === 'down' ? { ...own, ...UNKNOWN } : own);
}

/** Another process received an answer after the outage, and then a command followed. */
const UNKNOWN = {
  state: 'unknown',
  reason: null,
  forMs: null,
  seenMs: null,
  summary: null,
  next: null,
} as const satisfies Partial<BackendStatus>;

function answersElsewhere(app: string, { peers, now }: ProcessReports): number[] {
  return peers.flatMap(({ apps, heardAt }) => {
    const { answeredMs, backend } = apps[app] ?? {};
    // An older version reports an answer only while the backend is up.
    const ago = answeredMs ?? (backend?.state === 'up' ? backend.seenMs : null);
    return ago === null ? [] : [ago + Math.round(now - heardAt)];
  });
}

/** The phase is `paused` when all processes, including lost ones, have acknowledged the pause and drained. */
function joinPhase(
  app: string,
  { phase }: StatusFields,
  processes: ProcessReports,
): StatusFields['phase'] {
  const others = processes.peers.map(({ apps }) => apps[app]);
  switch (phase) {
    case 'running':
    case 'releasing':
      return freshReports(app, processes).some(isBehind) ? 'releasing' : phase;
    case 'pausing':
    case 'paused':
      return phase === 'paused' &&
        processes.isInForce &&
        others.every((other) => isDrained(other, processes.version))
        ? 'paused'
        : 'pausing';
    case 'stopped':
      return phase;
    default:
      return phase satisfies never;
  }
}

function isBehind({ phase, held }: AppReport): boolean {
  return phase === 'releasing' || held > 0;
}

export function isDrained(app: AppReport | undefined, version: number): boolean {
  return hasSameVersion(app, version) && (app?.isDrained ?? true);
}

export function isOpen(app: AppReport | undefined, version: number): boolean {
  return hasSameVersion(app, version) && (app?.isOpen ?? true);
}

function processesOf(
  app: string,
  { self, own, peers, version, now }: ProcessReports,
): ProcessStatus[] {
  const processes = [
    { ...processStatus(self, own, version), seenMs: 0 },
    ...peers.map((peer) => ({
      ...processStatus(peer, peer.apps[app], version),
      seenMs: Math.round(now - peer.heardAt),
    })),
  ];
  return processes.toSorted((a, b) => a.host.localeCompare(b.host) || a.pid - b.pid);
}

function processStatus(
  { host, pid, leaving }: ProcessOrigin,
  app: AppReport | undefined,
  version: number,
): Omit<ProcessStatus, 'seenMs'> {
  return {
    host,
    pid,
    held: app?.held ?? 0,
    inFlight: app?.inFlight ?? 0,
    acknowledged: hasAcknowledged(app, version),
    drained: isDrained(app, version),
    leaving: leaving !== null,
  };
}

export function joinTraffic(
  app: string,
  status: StatusFields,
  { own, ...others }: Pick<ProcessReports, 'own' | 'peers' | 'now'>,
): TrafficReport {
  const reports = [own, ...freshReports(app, others)];
  const traffics = reports.map(({ traffic }) => traffic);
  const perSecond = traffics.reduce((sum, { requestsPerSecond }) => sum + requestsPerSecond, 0);
  const windowMs = Math.max(...traffics.map((traffic) => traffic.windowMs));
  return reportTraffic(
    app,
    {
      windowMs,
      ended: (perSecond * Math.max(1000, windowMs)) / 1000,
      slowestMs: Math.max(...traffics.map(({ slowestMs }) => slowestMs)),
    },
    reports.reduce((sum, { inFlight }) => sum + inFlight, 0),
    0,
    joinMinutes(status, reports),
  );
}
