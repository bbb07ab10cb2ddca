/**
 * Who may use the admin endpoints: the options that say so, and the rule without them. Knows no
 * endpoint, and no state that an answer could give away.
 */
import type { IncomingMessage } from 'node:http';
import type { AntractRequest, Logger } from '../../options/options.ts';
import { expected, func, readObject, type Readers } from '../../common/validate.ts';
import { whyNotDirectLoopback } from './loopback.ts';
import type { MetricsOptions } from '../metrics/metrics.ts';
import type { MetricsPeers } from '../metrics/metrics-peers.ts';
import type { Problem } from '../problem.ts';
import type { MetricsRegister } from '../metrics/prom-client.ts';
import { createTokenCheck, readTokens } from './token.ts';
import { WrongTokens } from './wrong-tokens.ts';

/**
 * Without any of these only direct loopback connections are served: from a loopback address, to a
 * loopback name, through no proxy that says so. Either option replaces that rule; with both, both
 * must agree. Changes and event streams that another site's page asks for are refused whatever is set.
 */
export interface AdminOptions {
  /**
   * The secret, or several while one is being replaced. Clients send it as `Authorization: Bearer`,
   * or as the password of `Basic` with any user name. Default none.
   */
  token?: string | readonly string[] | undefined;
  /**
   * Whether this request may use the admin endpoints: exactly `true` is yes, a promise for it too;
   * an error is no, and logged. Default none.
   */
  authorize?: ((req: AntractRequest) => boolean | Promise<boolean>) | undefined;
  /**
   * What `metrics` is made of. Given, even as `{}`, it counts from now on and prom-client must be
   * installed; default: from the first request for it on.
   */
  metrics?: MetricsOptions | undefined;
  /** Other processes whose metrics are added to these. Default none. */
  metricsPeers?: MetricsPeers | undefined;
}

/** What keeps this request out; undefined lets it in. */
export type AccessCheck = (req: IncomingMessage) => Promise<Problem | undefined>;

const UNAUTHORIZED: Problem = Object.freeze({
  status: 401,
  code: 'ERR_ANTRACT_ADMIN_TOKEN',
  detail: 'A token is needed: as Authorization: Bearer, or as the password of Basic.',
  headers: {
    'WWW-Authenticate': ['Bearer realm="antract"', 'Basic realm="antract", charset="UTF-8"'],
  },
});

const FORBIDDEN: Problem = Object.freeze({
  status: 403,
  code: 'ERR_ANTRACT_ADMIN_REFUSED',
  detail: 'This request may not use the admin endpoints.',
});

const NOT_LOOPBACK: Problem = Object.freeze({
  ...FORBIDDEN,
  detail: `${FORBIDDEN.detail} Without a token, only direct loopback connections may.`,
});

/** @param closed the end of the registry. */
export function createAccessCheck(
  options: AdminOptions | undefined,
  logger: Logger,
  closed: AbortSignal,
): AccessCheck {
  const { token: tokens, authorize } = readAdminOptions(options);
  if (tokens.length === 0 && !authorize) return createLoopbackRule(logger);
  const hasToken = tokens.length === 0 ? () => true : createTokenCheck(tokens);
  const wrongTokens = new WrongTokens(logger, closed);
  return async (req) => {
    if (!hasToken(req)) {
      // A browser asks without one first, to be asked for it.
      if (req.headers.authorization !== undefined) wrongTokens.add(req.socket.remoteAddress);
      return UNAUTHORIZED;
    }
    return authorize && !(await isAuthorized(authorize, req, logger)) ? FORBIDDEN : undefined;
  };
}

/**
 * Warns at the first request that it decides on: then somebody does use the endpoints, and one that
 * was refused finds the reason in the log, where strangers can't read it.
 */
function createLoopbackRule(logger: Logger): AccessCheck {
  let hasWarned = false;
  return async (req) => {
    const why = whyNotDirectLoopback(req);
    if (!hasWarned) logger.warn(loopbackWarning(why));
    hasWarned = true;
    return why === undefined ? undefined : NOT_LOOPBACK;
  };
}

function loopbackWarning(why: string | undefined): string {
  const refused = why === undefined ? '' : ` A request was just refused: ${why}.`;
  return (
    'WRN_ANTRACT_ADMIN_LOOPBACK: the admin endpoints serve whoever connects directly over loopback, ' +
    'as admin() was given neither `token` nor `authorize`. In production set a token, or serve them ' +
    `on a listener of their own.${refused}`
  );
}

async function isAuthorized(
  authorize: NonNullable<AdminOptions['authorize']>,
  req: IncomingMessage,
  logger: Logger,
): Promise<boolean> {
  try {
    // Whatever is merely truthy (a user, a response object) was not meant as a yes.
    const answer: unknown = await authorize(req);
    return answer === true;
  } catch (error) {
    logger.error(
      `The admin option \`authorize\` failed, so a request was refused: ${String(error)}`,
    );
    return false;
  }
}

interface AdminSettings {
  readonly token: readonly string[];
  readonly authorize: AdminOptions['authorize'];
  readonly metrics: MetricsOptions | undefined;
  readonly metricsPeers: MetricsPeers | undefined;
}

const metricsReaders: Readers<MetricsOptions> = { register: readRegister };

const readers: Readers<AdminSettings> = {
  token: readTokens,
  authorize: func('(req) => boolean or a promise for one'),
  metrics: (name, value) => readObject(`${name}.`, value, metricsReaders, {}),
  metricsPeers: readPeers,
};

/** Validates what a user passed to `admin()`; throws `ERR_ANTRACT_OPTION`. */
export function readAdminOptions(options: AdminOptions | undefined): AdminSettings {
  return readObject('admin.', options ?? {}, readers, {
    token: [],
    authorize: undefined,
    metrics: undefined,
    metricsPeers: undefined,
  });
}

function readRegister(name: string, value: unknown): MetricsRegister {
  const register = value as Partial<Record<keyof MetricsRegister, unknown>> | null;
  if (typeof register?.registerMetric === 'function') return value as MetricsRegister;
  throw expected(name, 'a Registry of prom-client', value);
}

function readPeers(name: string, value: unknown): MetricsPeers {
  const { ask, answer } = (value ?? {}) as Partial<Record<keyof MetricsPeers, unknown>>;
  if (typeof ask === 'function' && typeof answer === 'function') return value as MetricsPeers;
  throw expected(name, 'an object with the methods ask and answer', value);
}
