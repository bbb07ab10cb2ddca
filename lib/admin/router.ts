/**
 * `admin()`: an Express router with the admin endpoints. Knows paths and methods; what the endpoints
 * do, and who may use them, is decided elsewhere.
 *
 * It answers every request itself and never passes one on: what is mounted after it must not see
 * requests that were refused here, tokens included.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { inspect } from 'node:util';
import { mayLackHeaders } from '../header-limit.ts';
import type { PauseRegistry } from '../pause-registry.ts';
import { TOO_MANY_HEADERS } from '../refusal.ts';
import { pathOf as requestPath } from '../request.ts';
import { createAccessCheck, readAdminOptions, type AdminOptions } from './access.ts';
import { createAnswerer, type Answerer } from './answer.ts';
import { createDashboard } from './dashboard.ts';
import { ENDPOINTS, type AdminRegistry, type Endpoint, type Views } from './endpoints.ts';
import { EventStreams } from './event-streams.ts';
import { loadExpress, type Express, type Middleware } from './express.ts';
import { createMetrics } from './metrics.ts';
import { withPeers } from './metrics-peers.ts';
import { createParameterReader, type EndpointName, type ParameterReader } from './params.ts';
import type { MetricsRegister } from './prom-client.ts';
import { FAULT, problemOf, ProblemError, type Problem } from './problem.ts';

export type { AdminOptions } from './access.ts';

/** At run time an Express router; it answers every request and never calls `next`. */
export type AdminRouter = (
  req: IncomingMessage,
  res: ServerResponse,
  next?: (error?: unknown) => void,
) => void;

/** What the routes share. */
interface Admin {
  readonly registry: AdminRegistry;
  readonly readParameters: ParameterReader;
  readonly answerer: Answerer;
  readonly views: Views;
  /** Ends a request that went wrong; tells the log of what must not be told outside. */
  readonly fail: (req: IncomingMessage, res: ServerResponse, error: unknown) => void;
}

/**
 * @param express replaced in tests.
 * @throws AntractError `ERR_ANTRACT_OPTION`.
 */
export function createAdminRouter(
  registry: AdminRegistry & Pick<PauseRegistry, 'settings'>,
  options?: AdminOptions,
  express: Express = loadExpress(),
): AdminRouter {
  const { logger } = registry.settings;
  const keepOut = createAccessCheck(options, logger, registry.closed);
  const answerer = createAnswerer(express);
  const readParameters = createParameterReader(express);

  const admin: Admin = {
    registry,
    readParameters,
    answerer,
    views: createViews(registry, options),
    fail(req, res, error) {
      const problem = problemOf(error) ?? FAULT;
      if (problem === FAULT) logger.error(`An admin request failed: ${inspect(error)}`);
      answerer.refuse(req, res, problem);
    },
  };

  const router = express.Router();
  for (const [name, endpoint] of Object.entries(ENDPOINTS)) {
    router.all(pathOf(name), createRoute(admin, name as EndpointName, endpoint));
  }

  // Access comes ahead of the router rather than first in it: some odd targets match no layer at all
  // and leave a router at once. For the same reason what leaves it is answered, not passed on.
  const route = router.handle.bind(router);
  const leave = (req: IncomingMessage, res: ServerResponse) => (error: unknown) =>
    admin.fail(req, res, error ?? new ProblemError(UNKNOWN_PATH));
  router.handle = function antractAdmin(req, res) {
    // Without the missing headers nobody can tell a proxy's or another site's request.
    if (mayLackHeaders(req)) return answerer.refuse(req, res, LACKS_HEADERS);
    keepOut(req)
      .then((problem) =>
        problem ? answerer.refuse(req, res, problem) : route(req, res, leave(req, res)),
      )
      .catch((error: unknown) => admin.fail(req, res, error));
  };
  return router as AdminRouter;
}

function createViews(registry: AdminRegistry, options: AdminOptions | undefined): Views {
  const { metrics: metricsOptions, metricsPeers } = readAdminOptions(options);
  const create = () =>
    createMetrics(registry, metricsOptions, { spooledBytes: () => registry.spooledBytes() });
  let metrics = metricsOptions && create();
  const own = (): MetricsRegister => (metrics ??= create());
  metricsPeers?.answer(() => own().getMetricsAsJSON());
  return {
    streams: new EventStreams(registry),
    metrics: () => (metricsPeers ? withPeers(own(), metricsPeers) : own()),
    dashboard: createDashboard(),
  };
}

function pathOf(name: string): string {
  return name === 'index' ? '/' : `/${name}`;
}

function createRoute(admin: Admin, name: EndpointName, endpoint: Endpoint): Middleware {
  return (req, res) => {
    serve(admin, name, endpoint, req, res).catch((error: unknown) => admin.fail(req, res, error));
  };
}

async function serve(
  { registry, readParameters, answerer, views }: Admin,
  name: EndpointName,
  endpoint: Endpoint,
  req: RoutedRequest,
  res: ServerResponse,
): Promise<void> {
  const problem = whyNot(endpoint, req);
  if (problem) return answerer.refuse(req, res, problem);
  const base = mountPathOf(req);
  const parameters = await readParameters(name, req, res);
  const rendered = await endpoint.run({ registry, parameters, req, res, base, views });
  if (rendered) answerer.answer(req, res, rendered);
}

type RoutedRequest = IncomingMessage & { baseUrl?: string; originalUrl?: string };

/**
 * Where this router is mounted. Only Express has `baseUrl`, and only for what Express has taken off the
 * URL itself; middie and Connect keep the whole URL in `originalUrl` instead.
 */
function mountPathOf({ url, originalUrl, baseUrl = '' }: RoutedRequest): string {
  const whole = requestPath({ url: originalUrl ?? url });
  const rest = requestPath({ url });
  if (whole.endsWith(rest)) return whole.slice(0, -rest.length);
  // Mounted at `/_antract` and asked for without a slash at the end: then the rest is `/`.
  return rest === '/' ? whole : baseUrl;
}

function whyNot({ crossSite }: Endpoint, req: IncomingMessage): Problem | undefined {
  // HEAD included: Express would run a GET's handler for it, and what only asks must change nothing.
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
  detail: `Expected one of ${Object.keys(ENDPOINTS).map(pathOf).join(', ')}.`,
});
