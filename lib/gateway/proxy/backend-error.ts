/**
 * What the gateway itself refuses, and what a failure between it and the backend comes to for the
 * client: answers that say neither where the backend is nor what it said. Knows no socket.
 */
import type { RejectionResponse } from '../../http/rejection-response.ts';

export const BAD_GATEWAY: RejectionResponse = Object.freeze({
  status: 502,
  code: 'ERR_ANTRACT_BAD_GATEWAY',
  title: 'Bad gateway',
  detail: 'The service behind this gateway could not be reached, or broke off.',
});

export const GATEWAY_TIMEOUT: RejectionResponse = Object.freeze({
  status: 504,
  code: 'ERR_ANTRACT_GATEWAY_TIMEOUT',
  title: 'Gateway timeout',
  detail: 'The service behind this gateway did not answer in time.',
});

export const UNKNOWN_HOST: RejectionResponse = Object.freeze({
  status: 421,
  code: 'ERR_ANTRACT_UNKNOWN_HOST',
  title: 'Misdirected request',
  detail: 'No service of this name is behind this gateway.',
});

export const BAD_TARGET: RejectionResponse = Object.freeze({
  status: 400,
  code: 'ERR_ANTRACT_BAD_TARGET',
  title: 'Bad request target',
  detail: 'The request names nothing that this gateway could pass on.',
});

export const TOO_MANY_CONNECTIONS: RejectionResponse = Object.freeze({
  status: 503,
  code: 'ERR_ANTRACT_TOO_MANY_CONNECTIONS',
  title: 'Too many connections',
  detail: 'The gateway has as many connections as its system allows.',
  retryAfter: 5,
  close: true,
});

export const SHUTTING_DOWN: RejectionResponse = Object.freeze({
  status: 503,
  code: 'ERR_ANTRACT_SHUTDOWN',
  title: 'Restarting',
  detail: 'The gateway is shutting down and will be back shortly.',
  retryAfter: 5,
  close: true,
});

export const PROXY_TIMEOUT_CODE = 'ERR_ANTRACT_PROXY_TIMEOUT';

const TIMEOUTS = new Set<string>([PROXY_TIMEOUT_CODE, 'ETIMEDOUT', 'ERR_UPSTREAM_UPGRADE_TIMEOUT']);

export function refusalForFailure(error: Error): RejectionResponse {
  return TIMEOUTS.has(reasonOf(error)) ? GATEWAY_TIMEOUT : BAD_GATEWAY;
}

/** A code for the log, such as `ECONNREFUSED`. */
export function reasonOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.name;
}

/** Not the backend's fault: a limit of this machine, or a request that can't be passed on. */
const OWN_FAULTS = new Set<string>([
  'EMFILE',
  'ENFILE',
  'EADDRNOTAVAIL',
  'ENOBUFS',
  'ERR_ANTRACT_UNFRAMED_BODY',
]);

export function isOwnFault(error: Error): boolean {
  return OWN_FAULTS.has(reasonOf(error));
}

/** The body headers were removed on the way, such as by a `bypass` or `hold` function. */
export function unframedBodyError(): Error {
  return Object.assign(
    new Error('A request without Content-Length or Transfer-Encoding has a body.'),
    {
      code: 'ERR_ANTRACT_UNFRAMED_BODY',
    },
  );
}

export function proxyTimeoutError(): Error {
  return Object.assign(new Error('The backend did not answer in time.'), {
    code: PROXY_TIMEOUT_CODE,
  });
}

/** The backend answered what can't be passed on. `EPROTO` is "protocol error". */
export function badResponseError(): Error {
  return Object.assign(new Error('The backend sent a response that can not be passed on.'), {
    code: 'EPROTO',
  });
}
