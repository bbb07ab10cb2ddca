/// <reference types="node" preserve="true" />
/** The public exports, nothing else. */
export type { AdminOptions } from './admin/access.ts';
export type { MetricsOptions } from './admin/metrics.ts';
export type { MetricsPeers } from './admin/metrics-peers.ts';
export type { MetricJson, MetricsJson, MetricsRegister } from './admin/prom-client.ts';
export type { AdminRouter } from './admin/router.ts';
export { heldMs, type PauseOptions } from './admission.ts';
export { createAntract, type Antract } from './antract.ts';
export type { Clock, Timer, TimerOptions } from './clock.ts';
export type {
  DrainOptions,
  EnableOptions,
  PauseCondition,
  StopOptions,
  WaitOptions,
} from './commands.ts';
export type { DiagnosticsMessage, TracedEvent } from './diagnostics.ts';
export { AntractError, type AntractErrorCode, type AntractErrorOptions } from './errors.ts';
export type {
  AntractEvents,
  AntractListener,
  DrainedEvent,
  EndedHoldEvent,
  ExpiredEvent,
  ForgottenEvent,
  PausedEvent,
  RejectedEvent,
  RequestEvent,
  ReachableEvent,
  ResumedEvent,
  StoppedEvent,
  TooSlowEvent,
  UnhealthyEvent,
  UnreachableEvent,
} from './events.ts';
export type { ContinueServer } from './expect-continue.ts';
export type { Straggler } from './in-flight.ts';
export type { DuringOptions, MaintenanceWindow } from './maintenance-window.ts';
export type { NextFunction, PauseMiddleware } from './middleware.ts';
export type { Notification, NotifiedEvent } from './notify.ts';
export type {
  AntractOptions,
  AntractRequest,
  AppOf,
  AppOptions,
  Duration,
  HealthOptions,
  HeartbeatOptions,
  Logger,
  LongLivedPolicy,
  ReleaseOptions,
} from './options.ts';
export { PauseRegistry } from './pause-registry.ts';
export type { PauseReport } from './pause-report.ts';
export type { Phase, RejectReason } from './phase.ts';
export { hostApp, type RequestLine } from './request.ts';
export type { SpoolOptions } from './spool.ts';
export { setUpPrimary, type Primary, type PrimaryOptions } from './stores/cluster-primary.ts';
export { ClusterStore, type ClusterStoreOptions } from './stores/cluster-store.ts';
export { MemoryStore } from './stores/memory-store.ts';
export {
  MAX_VALUE,
  type Publication,
  type PublishResult,
  type Store,
  type StoredIntent,
  type StoredReport,
  type StoreListener,
} from './stores/store.ts';
export type { PauseUpgradeListener, UpgradeListener } from './upgrade.ts';
export type {
  AppStatus,
  CommandResult,
  DrainResult,
  BackendStatus,
  HealthStatus,
  LostProcessStatus,
  ProcessStatus,
  ReleaseResult,
} from './status.ts';
export type { TrafficReport } from './traffic-stats.ts';
