/// <reference types="node" preserve="true" />
/** The public exports of `antract`. */
export type { AdminOptions, ReloadResult } from './admin/access/access-check.ts';
export type { AdminToken, NamedToken } from './admin/access/token.ts';
export type { MetricsOptions } from './admin/metrics/metrics.ts';
export type { MetricsPeers } from './admin/metrics/metrics-peers.ts';
export type { MetricJson, MetricsJson, MetricsRegister } from './admin/metrics/prom-client.ts';
export type { AdminRouter } from './admin/router.ts';
export type { PauseOptions } from './http/choose-gate.ts';
export { heldMs } from './http/held-time.ts';
export { createAntract, type Antract } from './antract.ts';
export type { Clock, Timer, TimerOptions } from './common/clock.ts';
export type {
  DrainOptions,
  EnableOptions,
  PauseCondition,
  StopOptions,
  WaitOptions,
} from './registry/command-options.ts';
export type { DiagnosticsMessage, TracedEvent } from './registry/diagnostics.ts';
export { AntractError, type AntractErrorCode, type AntractErrorOptions } from './common/errors.ts';
export type {
  AntractEvents,
  AntractListener,
  BackendDownEvent,
  BackendUpEvent,
  DrainedEvent,
  EndedHoldEvent,
  ExpiredEvent,
  EvictedEvent,
  PausedEvent,
  RejectedEvent,
  RequestEvent,
  ReachableEvent,
  ResumedEvent,
  StoppedEvent,
  TooSlowEvent,
  UnhealthyEvent,
  UnreachableEvent,
} from './gate/events.ts';
export type { Actor } from './gate/actor.ts';
export type { LogRecord } from './common/logger.ts';
export type { ContinueServer } from './http/expect-continue.ts';
export type { Straggler } from './gate/in-flight.ts';
export type { DuringOptions, MaintenanceWindow } from './registry/maintenance-window.ts';
export type { NextFunction, PauseMiddleware } from './http/middleware.ts';
export type { Notification, NotifiedEvent } from './webhook/notify.ts';
export type {
  AntractOptions,
  AntractRequest,
  AppOf,
  AppOptions,
  Duration,
  ErrorPageContent,
  ErrorPageContext,
  ErrorPageFunction,
  ProbeOptions,
  HeartbeatOptions,
  Logger,
  LongLivedPolicy,
  ReleaseOptions,
  ReleaseStrategy,
} from './options/options.ts';
export type { PauseRegistry } from './registry/pause-registry.ts';
export type { PauseReport } from './gate/pause-report.ts';
export type { Phase, RejectReason } from './gate/phase.ts';
export { hostApp, type RequestLine } from './common/request.ts';
export type { SpoolOptions } from './options/spool-settings.ts';
export { setUpPrimary, type Primary, type PrimaryOptions } from './stores/cluster-primary.ts';
export { ClusterStore, type ClusterStoreOptions } from './stores/cluster-store.ts';
export { FileStore, type FileStoreOptions } from './stores/file-store.ts';
export { MemoryStore } from './stores/memory-store.ts';
export {
  MAX_VALUE,
  type Publication,
  type PublishResult,
  type Store,
  type StoredState,
  type StoredReport,
  type StoreListener,
} from './stores/store.ts';
export type { PauseUpgradeListener, UpgradeListener } from './http/upgrade/upgrade.ts';
export type {
  AppStatus,
  CommandResult,
  DrainResult,
  BackendStatus,
  ProbeStatus,
  LostProcessStatus,
  ProcessStatus,
  ReleaseResult,
  StatusFields,
} from './gate/status.ts';
export type { TrafficReport, TrafficStatus } from './gate/traffic-report.ts';
