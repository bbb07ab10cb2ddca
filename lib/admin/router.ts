/**
 * `admin()`: routes requests to the admin endpoints.
 *
 * It responds to every request and never calls the next handler: handlers after it must not see
 * refused requests, because they contain tokens.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { inspect } from 'node:util';
import { mayLackHeaders } from '../common/header-limit.ts';
import type { RegistryCore } from '../registry/registry-core.ts';
import { TOO_MANY_HEADERS } from '../http/rejection-response.ts';
import { pathOf } from '../common/request.ts';
import { createAccessCheck, readAdminOptions, type AdminOptions } from './access/access-check.ts';
import { answerer } from './answer.ts';
import { senderOf } from './access/sender.ts';
import { createDashboard } from './views/dashboard-page.ts';
import { ENDPOINTS, type AdminRegistry, type Endpoint, type Views } from './endpoints.ts';
import { EventStreams } from './event-streams.ts';
import { createMetrics } from './metrics/metrics.ts';
import { withPeers } from './metrics/metrics-peers.ts';
import { readRequest, type EndpointName } from './params.ts';
import type { MetricsRegister } from './metrics/prom-client.ts';
import { FAULT, problemOf, type Problem } from './problem.ts';

export type { AdminOptions } from './access/access-check.ts';

/** A middleware for Express, Connect and `node:http`. It answers every request and never calls `next`. */
export type AdminRouter = (
  req: IncomingMessage,
  res: ServerResponse,
  next?: (error?: unknown) => void,
) => void;

/** @internal @throws AntractError `ERR_ANTRACT_OPTION`. */
export function createAdminRouter(
  registry: AdminRegistry,
  core: RegistryCore,
  options?: AdminOptions,
): AdminRouter {
  const { logger } = core.settings;
  const keepOut = createAccessCheck(options, {
    logger,
    closed: core.closed,
    advice: core.adminAdvice,
  });
  const views = createViews(registry, core, options);
  // Samples are taken only where someone can ask for them, from now on.
  void core.history;

  const serve = async (req: MountedRequest, res: ServerResponse): Promise<void> => {
    const name = endpointOf(req);
    const access = await keepOut(req);
    const problem = access.problem ?? (name ? whyNot(ENDPOINTS[name], req) : UNKNOWN_PATH);
    if (problem || !name) {
      const asksForToken = name === 'index' && problem?.status === 401;
      const html = asksForToken ? views.dashboard.login : undefined;
      return answerer.refuse(req, res, problem ?? UNKNOWN_PATH, html);
    }
    const base = mountPathOf(req);
    const parameters = await readRequest(name, req);
    const rendered = await ENDPOINTS[name].run({
      registry,
      core,
      by: senderOf(req, access.token),
      parameters,
      req,
      res,
      base,
      views,
    });
    if (rendered) answerer.answer(req, res, rendered);
  };

  // Only the log gets the details of a fault.
  const fail = (req: IncomingMessage, res: ServerResponse, error: unknown): void => {
    const problem = problemOf(error) ?? FAULT;
    if (problem === FAULT) logger.error(`An admin request failed: ${inspect(error)}`);
    answerer.refuse(req, res, problem);
  };

  return function antractAdmin(req, res) {
    // The missing headers may be those that identify a request of a proxy or of another site.
    if (mayLackHeaders(req)) return answerer.refuse(req, res, LACKS_HEADERS);
    serve(req, res).catch((error: unknown) => fail(req, res, error));
  };
}

function createViews(
  registry: AdminRegistry,
  core: RegistryCore,
  options: AdminOptions | undefined,
): Views {
  const { metrics: metricsOptions, metricsPeers, reload } = readAdminOptions(options);
  const create = () =>
    createMetrics(core, metricsOptions, { spooledBytes: () => core.totalSpooledBytes() });
  let metrics = metricsOptions && create();
  const own = (): MetricsRegister => (metrics ??= create());
  metricsPeers?.answer(() => own().getMetricsAsJSON());
  return {
    streams: new EventStreams(registry, core.transitions, core.closed),
    metrics: () => (metricsPeers ? withPeers(own(), metricsPeers) : own()),
    dashboard: createDashboard(),
    reload,
  };
}

/** Ignores upper and lower case and a trailing slash, as Express does by default. */
function endpointOf({ url }: IncomingMessage): EndpointName | undefined {
  return ENDPOINT_OF_PATH.get(
    pathOf({ url })
      .toLowerCase()
      .replace(/(.)\/$/, '$1'),
  );
}

const ENDPOINT_OF_PATH: ReadonlyMap<string, EndpointName> = new Map(
  (Object.keys(ENDPOINTS) as EndpointName[]).map((name) => [
    name === 'index' ? '/' : `/${name}`,
    name,
  ]),
);

type MountedRequest = IncomingMessage & { baseUrl?: string; originalUrl?: string };

/**
 * The path where this router is mounted. Express has `baseUrl` for the part of the URL that it removed;
 * middie and Connect keep the whole URL in `originalUrl` instead.
 */
function mountPathOf({ url, originalUrl, baseUrl = '' }: MountedRequest): string {
  const whole = pathOf({ url: originalUrl ?? url });
  const rest = pathOf({ url });
  if (whole.endsWith(rest)) return whole.slice(0, -rest.length);
  // A request for the mount path itself, without a trailing slash: the rest is `/`.
  return rest === '/' ? whole : baseUrl;
}

function whyNot({ crossSite }: Endpoint, req: IncomingMessage): Problem | undefined {
  // HEAD is refused too: it must change nothing.
  if (req.method !== 'GET' && req.method !== 'POST') return WRONG_METHOD;
  const detail = crossSite?.(req);
  return detail === undefined
    ? undefined
    : { status: 403, code: 'ERR_ANTRACT_ADMIN_CROSS_SITE', detail };
}

const WRONG_METHOD: Problem = Object.freeze({
  status: 405,
  code: 'ERR_ANTRACT_ADMIN_METHOD',
  detail: 'Expected the method to be GET or POST.',
  headers: { Allow: 'GET, POST' },
});

const LACKS_HEADERS: Problem = Object.freeze({
  status: TOO_MANY_HEADERS.status,
  code: TOO_MANY_HEADERS.code,
  detail: TOO_MANY_HEADERS.detail,
  headers: { Connection: 'close' },
});

const UNKNOWN_PATH: Problem = Object.freeze({
  status: 404,
  code: 'ERR_ANTRACT_ADMIN_PATH',
  detail: `Expected one of ${[...ENDPOINT_OF_PATH.keys()].join(', ')}.`,
});
