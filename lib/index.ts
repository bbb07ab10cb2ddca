/** The public exports, nothing else. */
export type { AdminOptions } from './admin/access.ts';
export type { MetricsOptions } from './admin/metrics.ts';
export type { MetricsRegister } from './admin/prom-client.ts';
export type { AdminRouter } from './admin/router.ts';
export { heldMs, type PauseOptions } from './admission.ts';
export { createAntract, type Antract } from './antract.ts';
export type { EnableOptions, StopOptions, WaitOptions } from './commands.ts';
export type { DiagnosticsMessage } from './diagnostics.ts';
export { AntractError, type AntractErrorCode } from './errors.ts';
export type {
  AntractEvents,
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
  UnhealthyEvent,
  UnreachableEvent,
} from './events.ts';
export type { Straggler } from './in-flight.ts';
export type { DuringOptions, MaintenanceWindow } from './maintenance-window.ts';
export type { NextFunction, PauseMiddleware } from './middleware.ts';
export type { Notification } from './notify.ts';
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
export type { Phase } from './phase.ts';
export { hostApp } from './request.ts';
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
  HealthStatus,
  ReleaseResult,
} from './status.ts';
export type { TrafficReport } from './traffic-stats.ts';
