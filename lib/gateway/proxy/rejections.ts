/**
 * The responses of the gateway itself. They reveal neither the address of the backend nor what it
 * sent.
 */
import {
  RETRY_SOON,
  rejectionResponse,
  type RejectionResponse,
} from '../../http/rejection-response.ts';

export const BAD_GATEWAY: RejectionResponse = Object.freeze({
  status: 502,
  code: 'ERR_ANTRACT_BAD_GATEWAY',
  topic: 'unavailable',
  title: 'Bad gateway',
  detail: 'The service behind this gateway could not be reached, or the connection to it was lost.',
});

export const GATEWAY_TIMEOUT: RejectionResponse = Object.freeze({
  status: 504,
  code: 'ERR_ANTRACT_GATEWAY_TIMEOUT',
  topic: 'unavailable',
  title: 'Gateway timeout',
  detail: 'The service behind this gateway did not answer in time.',
});

export const UNKNOWN_HOST: RejectionResponse = Object.freeze({
  status: 421,
  code: 'ERR_ANTRACT_UNKNOWN_HOST',
  title: 'Misdirected request',
  detail: 'This gateway has no service for this host name.',
});

export const BAD_TARGET: RejectionResponse = Object.freeze({
  status: 400,
  code: 'ERR_ANTRACT_BAD_TARGET',
  title: 'Bad request target',
  detail: 'This gateway can not pass on a request with this target. Send a path or an http URL.',
});

export const TOO_MANY_CONNECTIONS: RejectionResponse = Object.freeze({
  status: 503,
  code: 'ERR_ANTRACT_TOO_MANY_CONNECTIONS',
  topic: 'unavailable',
  title: 'Too many connections',
  detail: 'The gateway has reached the limit of open connections of its system.',
  retryAfter: RETRY_SOON,
  close: true,
});

export const SHUTTING_DOWN: RejectionResponse = Object.freeze(
  rejectionResponse({ reason: 'shutdown', retryAfterMs: 0 }),
);
