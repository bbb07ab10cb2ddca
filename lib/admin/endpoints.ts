/**
 * Runs each admin endpoint: calls the registry and renders the result.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isDisconnected, offDisconnect, onDisconnect } from '../http/disconnect.ts';
import { AntractError } from '../common/errors.ts';
import type { PauseRegistry } from '../registry/pause-registry.ts';
import { DEFAULT_APP } from '../options/app-name.ts';
import type { RegistryCore } from '../registry/registry-core.ts';
import type { Actor } from '../gate/actor.ts';
import type { AppStatus, DrainResult, ReleaseResult } from '../gate/status.ts';
import type { AdminOptions } from './access/access-check.ts';
import {
  whyForeign,
  whyNotMeant,
  whyNotOwnStream,
  type CrossSiteCheck,
} from './access/cross-site.ts';
import { HeldLease } from './held-lease.ts';
import type { EventStreams, StreamedRegistry } from './event-streams.ts';
import type { MetricsText } from './metrics/metrics-peers.ts';
import type { EndpointName, RequestParameters } from './params.ts';
import { renderHistory, renderTransitions } from './views/history-text.ts';
import { renderIndex } from './views/index-text.ts';
import { renderReport } from './views/report-text.ts';
import {
  renderDisable,
  renderDisableAndRelease,
  renderDrain,
  renderEnable,
  renderEnableAndDrain,
  renderReload,
  renderStop,
} from './views/command-text.ts';
import type { Dashboard } from './views/dashboard-page.ts';
import type { Base, Page, Rendered } from './views/rendered.ts';
import { renderList, renderStatus } from './views/status-lines.ts';
import { renderTraffic } from './views/traffic-text.ts';

/** The part of the registry that the endpoints use. */
export type AdminRegistry = Pick<
  PauseRegistry,
  'enable' | 'disable' | 'stop' | 'status' | 'list' | 'waitForRelease' | 'report' | 'traffic'
> &
  StreamedRegistry;

/** Shared by all requests of a router. */
export interface Views {
  readonly streams: EventStreams;
  /** @throws AntractError if prom-client is not installed. */
  readonly metrics: () => MetricsText;
  readonly dashboard: Dashboard;
  readonly reload: AdminOptions['reload'];
}

/** One request to an endpoint. */
export interface EndpointCall {
  readonly registry: AdminRegistry;
  readonly core: Pick<
    RegistryCore,
    'appNames' | 'clock' | 'drains' | 'gates' | 'history' | 'transitions'
  >;
  /** Who sent the request. */
  readonly by: Actor | null;
  readonly parameters: Partial<RequestParameters>;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly base: Base;
  readonly views: Views;
}

export interface Endpoint {
  /**
   * Refuses requests that a page of another site may have made a browser send. Undefined accepts all: the
   * answer is small, changes nothing, and other sites can't read it.
   */
  readonly crossSite?: CrossSiteCheck;
  /** Resolves with undefined if the client has disconnected, or gets a stream. */
  run(call: EndpointCall): Promise<Rendered | Page | undefined>;
}

export const ENDPOINTS: Readonly<Record<EndpointName, Endpoint>> = {
  enable: { crossSite: whyNotMeant, run: enable },
  disable: { crossSite: whyNotMeant, run: disable },
  stop: { crossSite: whyNotMeant, run: stop },
  status: { run: status },
  drain: { crossSite: whyNotMeant, run: drain },
  report: { run: report },
  traffic: { run: traffic },
  history: { crossSite: whyForeign, run: history },
  transitions: { run: transitions },
  events: { crossSite: whyNotOwnStream, run: events },
  // The first request starts the counting, and each may ask other processes.
  metrics: { crossSite: whyForeign, run: metrics },
  reload: { crossSite: whyNotMeant, run: reload },
  index: { run: index },
};

async function enable(call: EndpointCall): Promise<Rendered | undefined> {
  const { registry, parameters } = call;
  const by = call.by ?? undefined;
  const {
    app,
    max_time: maxTime,
    lease,
    expect,
    only,
    reason,
    wait,
    if_pause: ifPause,
  } = parameters;
  if (parameters.lost !== undefined && wait === undefined) {
    throw new AntractError('ERR_ANTRACT_OPTION', 'Expected `wait` where `lost` is given.');
  }
  const result = await registry.enable(app, { maxTime, lease, expect, only, reason, ifPause, by });
  if (wait === undefined) return renderEnable(result, call);
  const held = lease ? new HeldLease(registry, result.status, lease) : undefined;
  try {
    const drained = await waitForDrain(call);
    if (!drained) return undefined;
    await held?.renew();
    return renderEnableAndDrain(result, drained, registry.status(app), call);
  } finally {
    held?.stop();
  }
}

async function disable(call: EndpointCall): Promise<Rendered | undefined> {
  const { registry, parameters, base } = call;
  const by = call.by ?? undefined;
  const result = await registry.disable(parameters.app, { ifPause: parameters.if_pause, by });
  if (parameters.wait === undefined) return renderDisable(result, base);
  const released = await waitForRelease(call);
  return (
    released && renderDisableAndRelease(result, released, registry.status(parameters.app), base)
  );
}

async function stop({ registry, parameters, base, ...call }: EndpointCall): Promise<Rendered> {
  const by = call.by ?? undefined;
  const { app, max_time: maxTime, expect, message, if_pause: ifPause } = parameters;
  const result = await registry.stop(app, { maxTime, expect, message, ifPause, by });
  return renderStop(result, parameters, base);
}

async function status({ registry, parameters, base }: EndpointCall): Promise<Rendered> {
  if (parameters.app !== undefined) return renderStatus(registry.status(parameters.app), base);
  const apps = registry.list();
  return renderList(apps, mainApp(apps), base);
}

/** Without an app called `default`: the app that an operator most likely asks about. */
function mainApp(apps: readonly AppStatus[]): AppStatus {
  const main =
    apps.find(({ app }) => app === DEFAULT_APP) ??
    apps.find(({ phase }) => phase !== 'running') ??
    apps[0];
  if (!main) throw new Error('A registry lists at least one app.');
  return main;
}

async function drain(call: EndpointCall): Promise<Rendered | undefined> {
  const { registry, parameters, base } = call;
  const drained = await waitForDrain(call);
  return drained && renderDrain(drained, registry.status(parameters.app), base);
}

async function report({ registry, parameters }: EndpointCall): Promise<Rendered> {
  const { app = DEFAULT_APP } = parameters;
  return renderReport(app, registry.report(app));
}

async function traffic({ registry, parameters }: EndpointCall): Promise<Rendered> {
  return renderTraffic(registry.traffic(parameters.app));
}

async function history({ core, parameters: { app } }: EndpointCall): Promise<Rendered> {
  if (app !== undefined) core.gates.check('history', app);
  const apps = app === undefined ? core.appNames : [app];
  const times = { at: core.clock.date(), since: core.history.since };
  return renderHistory(
    apps.map((name) => core.history.of(name)),
    app !== undefined,
    times,
  );
}

async function transitions({ core, parameters: { app } }: EndpointCall): Promise<Rendered> {
  if (app !== undefined) core.gates.check('transitions', app);
  return renderTransitions(core.transitions.list(app));
}

async function events({ req, res, views }: EndpointCall): Promise<undefined> {
  views.streams.open(req, res);
}

async function metrics({ views }: EndpointCall): Promise<Page> {
  const register = views.metrics();
  return { type: register.contentType, body: await register.metrics() };
}

async function reload({ views }: EndpointCall): Promise<Rendered> {
  if (views.reload) return renderReload(await views.reload());
  throw new AntractError(
    'ERR_ANTRACT_RELOAD',
    'This antract was not started by `antract serve`, so it can not be reloaded. Restart its process.',
    { status: 501 },
  );
}

async function index({ base, views }: EndpointCall): Promise<Rendered> {
  return { ...renderIndex(base, views.reload !== undefined), html: views.dashboard.page };
}

/** @throws AntractError if the pause ends, or antract is closed, during the wait. */
async function waitForDrain(call: EndpointCall): Promise<DrainResult | undefined> {
  const { app = DEFAULT_APP, wait: timeout, lost } = call.parameters;
  // If `adminPath` is not the path of this router, this request is in flight itself: the drain must not
  // wait for it.
  const result = await untilDisconnect(call, (signal) =>
    call.core.drains.waitFor(call.req, app, { timeout, signal, lost }),
  );
  return result && refuseEndedPause(result);
}

async function waitForRelease(call: EndpointCall): Promise<ReleaseResult | undefined> {
  const { app, wait: timeout } = call.parameters;
  const result = await untilDisconnect(call, (signal) =>
    call.registry.waitForRelease(app, { timeout, signal }),
  );
  return result && refuseEndedRelease(result);
}

/** Resolves with undefined if the client disconnects: its command stays in force, only the wait ends. */
async function untilDisconnect<T>(
  call: EndpointCall,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const disconnected = new AbortController();
  const abort = (): void => disconnected.abort();
  onDisconnect(call.req, call.res, abort);
  if (isDisconnected(call.req, call.res)) disconnected.abort();
  try {
    return await wait(disconnected.signal);
  } catch (error) {
    if (disconnected.signal.aborted) return undefined;
    throw error;
  } finally {
    offDisconnect(call.req, call.res, abort);
  }
}

function refuseEndedRelease(result: ReleaseResult): ReleaseResult {
  switch (result.outcome) {
    case 'reopened':
    case 'timeout':
      return result;
    case 'paused':
    case 'stopped':
      throw new AntractError(
        'ERR_ANTRACT_NOT_RELEASED',
        `The app was ${result.outcome} while this command waited for the release.`,
        { status: 409 },
      );
    case 'closed':
      throw new AntractError(
        'ERR_ANTRACT_CLOSED',
        'antract was closed while this command waited for the release.',
        { status: 503 },
      );
    default:
      return result.outcome satisfies never;
  }
}

function refuseEndedPause(result: DrainResult): DrainResult {
  switch (result.outcome) {
    case 'drained':
    case 'timeout':
    case 'lost':
      return result;
    case 'resumed':
      throw new AntractError(
        'ERR_ANTRACT_NOT_PAUSED',
        'The pause ended while this command waited for the drain: by a resume (`disable`), or because `maxTime` was over. Requests reach the backend again.',
        { status: 409 },
      );
    case 'closed':
      throw new AntractError(
        'ERR_ANTRACT_CLOSED',
        'antract was closed while this command waited for the drain.',
        { status: 503 },
      );
    default:
      return result.outcome satisfies never;
  }
}
