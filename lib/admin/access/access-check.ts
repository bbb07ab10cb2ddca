/**
 * Decides who may use the admin endpoints: by the options, or by the loopback rule without them.
 */
import type { IncomingMessage } from 'node:http';
import type { AntractRequest, Logger } from '../../options/options.ts';
import { expected, func, readObject, type Readers } from '../../common/validate.ts';
import { whyNotDirectLoopback } from './loopback.ts';
import type { MetricsOptions } from '../metrics/metrics.ts';
import type { MetricsPeers } from '../metrics/metrics-peers.ts';
import type { Problem } from '../problem.ts';
import type { MetricsRegister } from '../metrics/prom-client.ts';
import { createTokenCheck, readTokens, type AdminToken } from './token.ts';
import { WrongTokens } from './wrong-tokens.ts';

/**
 * Without `token` and `authorize`, only direct loopback connections are served: from a loopback address,
 * to a loopback name, without the headers of a proxy. Either option replaces this rule. If both are set,
 * both must allow the request. Commands, event streams and metrics that a page of another site requests
 * are always refused.
 */
export interface AdminOptions {
  /**
   * The secret, or several while you replace one. Clients send it as `Authorization: Bearer`, or as the
   * password of `Basic` with any user name. `{ name, token }` gives a token a name, which the status and the log
   * show for its commands.
   *
   * @default none
   */
  token?: AdminToken | readonly AdminToken[] | undefined;
  /**
   * Whether this request may use the admin endpoints. Only `true`, or a promise for `true`, allows it. An
   * error refuses the request and is logged.
   *
   * @default none
   */
  authorize?: ((req: AntractRequest) => boolean | Promise<boolean>) | undefined;
  /**
   * Options of the `metrics` endpoint. If they are given, even as `{}`, prom-client must be installed.
   *
   * @default prom-client is loaded at the first request for `metrics`
   */
  metrics?: MetricsOptions | undefined;
  /**
   * Other processes whose metrics are added to those of this process.
   *
   * @default none
   */
  metricsPeers?: MetricsPeers | undefined;
  /**
   * Called by the `reload` endpoint, which `antract reload` calls. `antract serve` sets it.
   *
   * @default none: the endpoint answers 501
   */
  reload?: (() => Promise<ReloadResult>) | undefined;
}

/** The result of the `reload` endpoint. */
export interface ReloadResult {
  /** How many new processes have started. */
  readonly started: number;
  /** How many old processes finish their requests and then exit. */
  readonly leaving: number;
}

/** Whether a request may use the endpoints. */
export interface Access {
  /** Why the request is refused; undefined if it is not. */
  readonly problem?: Problem | undefined;
  /** The name of its token. */
  readonly token?: string | undefined;
}

export type AccessCheck = (req: IncomingMessage) => Promise<Access>;

const UNAUTHORIZED: Problem = Object.freeze({
  status: 401,
  code: 'ERR_ANTRACT_ADMIN_TOKEN',
  detail: 'Send the token as Authorization: Bearer, or as the password of Basic.',
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
  detail: `${FORBIDDEN.detail} No token is set, so only direct loopback connections are allowed.`,
});

/** What an access check needs of its instance. */
export interface AccessDeps {
  readonly logger: Logger;
  /** Aborted when the registry is closed. */
  readonly closed: AbortSignal;
  /** What protects the endpoints, in the words of the user's configuration. */
  readonly advice: string;
}

export function createAccessCheck(
  options: AdminOptions | undefined,
  { logger, closed, advice }: AccessDeps,
): AccessCheck {
  const { token: tokens, authorize } = readAdminOptions(options);
  if (tokens.length === 0 && !authorize) return createLoopbackRule(logger, advice);
  const findToken = tokens.length === 0 ? () => ({ name: undefined }) : createTokenCheck(tokens);
  const wrongTokens = new WrongTokens(logger, closed);
  return async (req) => {
    const token = findToken(req);
    if (!token) {
      // A browser sends its first request without a token. That is no wrong token.
      if (req.headers.authorization !== undefined) wrongTokens.add(req.socket.remoteAddress);
      return { problem: UNAUTHORIZED };
    }
    const isRefused = authorize && !(await isAuthorized(authorize, req, logger));
    return isRefused ? { problem: FORBIDDEN } : { token: token.name };
  };
}

/**
 * Warns at the first request, because only then the endpoints are in use. The log has the reason of a
 * refusal, which strangers must not see.
 */
function createLoopbackRule(logger: Logger, advice: string): AccessCheck {
  let hasWarned = false;
  return async (req) => {
    const why = whyNotDirectLoopback(req);
    if (!hasWarned) logger.warn(loopbackWarning(why, advice));
    hasWarned = true;
    return why === undefined ? {} : { problem: NOT_LOOPBACK };
  };
}

function loopbackWarning(why: string | undefined, advice: string): string {
  const refused = why === undefined ? '' : ` A request was refused: ${why}.`;
  return (
    'WRN_ANTRACT_ADMIN_LOOPBACK: the admin endpoints serve every direct loopback connection, because no ' +
    `token is set. In production, ${advice}.${refused}`
  );
}

async function isAuthorized(
  authorize: NonNullable<AdminOptions['authorize']>,
  req: IncomingMessage,
  logger: Logger,
): Promise<boolean> {
  try {
    // A truthy value such as a user object may not be meant as permission.
    const answer: unknown = await authorize(req);
    return answer === true;
  } catch (error) {
    logger.error(
      `The admin option \`authorize\` failed, so the admin request was refused: ${String(error)}`,
    );
    return false;
  }
}

interface AdminSettings {
  readonly token: readonly AdminToken[];
  readonly authorize: AdminOptions['authorize'];
  readonly metrics: MetricsOptions | undefined;
  readonly metricsPeers: MetricsPeers | undefined;
  readonly reload: AdminOptions['reload'];
}

const metricsReaders: Readers<MetricsOptions> = { register: readRegister };

const readers: Readers<AdminSettings> = {
  token: readTokens,
  authorize: func('(req) => boolean or a promise for one'),
  metrics: (name, value) => readObject(`${name}.`, value, metricsReaders, {}),
  metricsPeers: readPeers,
  reload: func('() => a promise for `{ started, leaving }`'),
};

/** @throws AntractError `ERR_ANTRACT_OPTION`. */
export function readAdminOptions(options: AdminOptions | undefined): AdminSettings {
  return readObject('admin.', options ?? {}, readers, {
    token: [],
    authorize: undefined,
    metrics: undefined,
    metricsPeers: undefined,
    reload: undefined,
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
