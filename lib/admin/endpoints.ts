/**
 * What each admin endpoint does: calls on the registry, rendered. Knows neither routes nor access.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isDisconnected, onDisconnect } from '../http/disconnect.ts';
import { AntractError } from '../common/errors.ts';
import type { PauseRegistry } from '../registry/pause-registry.ts';
import { DEFAULT_APP } from '../options/app-name.ts';
import type { RegistryCore } from '../registry/registry-core.ts';
import type { AppStatus, DrainResult, ReleaseResult } from '../gate/status.ts';
import {
  whyForeign,
  whyNotMeant,
  whyNotOwnStream,
  type CrossSiteCheck,
} from './access/cross-site.ts';
import { HeldLease } from './held-lease.ts';
import type { EventStreams, StreamedRegistry } from './event-streams.ts';
import type { MetricsText } from './metrics/metrics-peers.ts';
import type { EndpointName, Parameters } from './params.ts';
import { renderIndex } from './views/index-text.ts';
import { renderReport } from './views/report-text.ts';
import {
  renderDisable,
  renderDisableAndRelease,
  renderDrain,
  renderEnable,
  renderEnableAndDrain,
  renderStop,
} from './views/command-text.ts';
import type { Base, Page, Rendered } from './views/rendered.ts';
import { renderList, renderStatus } from './views/status-text.ts';
import { renderTraffic } from './views/traffic-text.ts';

/** The part of a registry that the endpoints use. */
export type AdminRegistry = Pick<
  PauseRegistry,
  'enable' | 'disable' | 'stop' | 'status' | 'list' | 'waitForRelease' | 'report' | 'traffic'
> &
  StreamedRegistry;

/** What a router has one of, for all its requests. */
export interface Views {
  readonly streams: EventStreams;
  /** Throws where prom-client is not installed. */
  readonly metrics: () => MetricsText;
  readonly dashboard: () => Page;
}

/** One request to an endpoint. */
export interface Call {
  readonly registry: AdminRegistry;
  readonly drains: RegistryCore['drains'];
  readonly parameters: Partial<Parameters>;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly base: Base;
  readonly views: Views;
}

export interface Endpoint {
  /**
   * Which requests of browsers are refused, as another site's page may have sent them. Undefined
   * accepts all: the answer is small, changes nothing, and other sites can't read it.
   */
  readonly crossSite?: CrossSiteCheck;
  /** Undefined when whoever asked has left, or is answered bit by bit. */
  run(call: Call): Promise<Rendered | Page | undefined>;
}

export const ENDPOINTS: Readonly<Record<EndpointName, Endpoint>> = {
  enable: { crossSite: whyNotMeant, run: enable },
  disable: { crossSite: whyNotMeant, run: disable },
  stop: { crossSite: whyNotMeant, run: stop },
  status: { run: status },
  drain: { crossSite: whyNotMeant, run: drain },
  report: { run: report },
  traffic: { run: traffic },
  events: { crossSite: whyNotOwnStream, run: events },
  // The first request for it starts the counting, and it may ask other processes.
  metrics: { crossSite: whyForeign, run: metrics },
  index: { run: index },
};

async function enable(call: Call): Promise<Rendered | undefined> {
  const { registry, parameters, base } = call;
  const { app, max_time: maxTime, lease, only, reason, wait, if_pause: ifPause } = parameters;
  if (parameters.lost !== undefined && wait === undefined) {
    throw new AntractError('ERR_ANTRACT_OPTION', 'Expected `wait` where `lost` is given.');
  }
  const result = await registry.enable(app, { maxTime, lease, only, reason, ifPause });
  if (wait === undefined) return renderEnable(result, base);
  const held = lease ? new HeldLease(registry, result.status, lease) : undefined;
  try {
    const drained = await waitForDrain(call);
    if (!drained) return undefined;
    await held?.renew();
    return renderEnableAndDrain(result, drained, registry.status(app), base);
  } finally {
    held?.stop();
  }
}

async function disable(call: Call): Promise<Rendered | undefined> {
  const { registry, parameters, base } = call;
  const result = await registry.disable(parameters.app, { ifPause: parameters.if_pause });
  if (parameters.wait === undefined) return renderDisable(result, base);
  const released = await waitForRelease(call);
  return (
    released && renderDisableAndRelease(result, released, registry.status(parameters.app), base)
  );
}

async function stop({ registry, parameters, base }: Call): Promise<Rendered> {
  const { app, max_time: maxTime, message, if_pause: ifPause } = parameters;
  return renderStop(await registry.stop(app, { maxTime, message, ifPause }), base);
}

async function status({ registry, parameters, base }: Call): Promise<Rendered> {
  if (parameters.app !== undefined) return renderStatus(registry.status(parameters.app), base);
  const apps = registry.list();
  return renderList(apps, mainApp(apps), base);
}

/** Where no app is called `default`, the one that an operator is most likely to ask about. */
function mainApp(apps: readonly AppStatus[]): AppStatus {
  const main =
    apps.find(({ app }) => app === DEFAULT_APP) ??
    apps.find(({ phase }) => phase !== 'running') ??
    apps[0];
  if (!main) throw new Error('A registry lists at least one app.');
  return main;
}

async function drain(call: Call): Promise<Rendered | undefined> {
  const { registry, parameters, base } = call;
  const drained = await waitForDrain(call);
  return drained && renderDrain(drained, registry.status(parameters.app), base);
}

async function report({ registry, parameters }: Call): Promise<Rendered> {
  const { app = DEFAULT_APP } = parameters;
  return renderReport(app, registry.report(app));
}

async function traffic({ registry, parameters }: Call): Promise<Rendered> {
  return renderTraffic(registry.traffic(parameters.app));
}

async function events({ req, res, views }: Call): Promise<undefined> {
  views.streams.open(req, res);
}

async function metrics({ views }: Call): Promise<Page> {
  const register = views.metrics();
  return { type: register.contentType, body: await register.metrics() };
}

async function index({ base, views }: Call): Promise<Rendered> {
  return { ...renderIndex(base), html: views.dashboard };
}

/** Throws when there is nothing to wait for any more. */
async function waitForDrain(call: Call): Promise<DrainResult | undefined> {
  const { app = DEFAULT_APP, wait: timeout, lost } = call.parameters;
  // Where `adminPath` is not where this router is mounted, the drain may wait for this very request.
  const result = await whilePresent(call, (signal) =>
    call.drains.waitFor(call.req, app, { timeout, signal, lost }),
  );
  return result && refuseEndedPause(result);
}

async function waitForRelease(call: Call): Promise<ReleaseResult | undefined> {
  const { app, wait: timeout } = call.parameters;
  const result = await whilePresent(call, (signal) =>
    call.registry.waitForRelease(app, { timeout, signal }),
  );
  return result && refuseEndedRelease(result);
}

/** Undefined when whoever asked leaves meanwhile: what they asked for stays, only the wait ends. */
async function whilePresent<T>(
  call: Call,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const leaving = new AbortController();
  const stop = onDisconnect(call.req, call.res, () => leaving.abort());
  if (isDisconnected(call.req, call.res)) leaving.abort();
  try {
    return await wait(leaving.signal);
  } catch (error) {
    if (leaving.signal.aborted) return undefined;
    throw error;
  } finally {
    stop();
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
        `The app was ${result.outcome} again while this request waited for the release.`,
        { status: 409 },
      );
    case 'closed':
      throw new AntractError(
        'ERR_ANTRACT_CLOSED',
        'antract was closed while this request waited for the release.',
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
        'The pause was ended while this request waited for the drain: by `disable`, or because its longest time was over. Requests reach the backend again.',
        { status: 409 },
      );
    case 'closed':
      throw new AntractError(
        'ERR_ANTRACT_CLOSED',
        'antract was closed while this request waited for the drain.',
        { status: 503 },
      );
    default:
      return result.outcome satisfies never;
  }
}
