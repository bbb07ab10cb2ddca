/** The errors between the gateway and a backend, and the response that the client gets for each. */
import type { RejectionResponse } from '../../http/rejection-response.ts';
import { BAD_GATEWAY, GATEWAY_TIMEOUT } from './rejections.ts';

const PROXY_TIMEOUT_CODE = 'ERR_ANTRACT_PROXY_TIMEOUT';

const TIMEOUT_CODES = new Set<string>([
  PROXY_TIMEOUT_CODE,
  'ETIMEDOUT',
  'ERR_UPSTREAM_UPGRADE_TIMEOUT',
]);

const CONNECTION_LOST_CODES = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT']);

/** Limits of this machine, and requests that can't be passed on. */
const GATEWAY_FAULT_CODES = new Set<string>([
  'EMFILE',
  'ENFILE',
  'EADDRNOTAVAIL',
  'ENOBUFS',
  'ERR_ANTRACT_UNFRAMED_BODY',
]);

export function rejectionForError(error: Error): RejectionResponse {
  return TIMEOUT_CODES.has(codeOf(error)) ? GATEWAY_TIMEOUT : BAD_GATEWAY;
}

/** A code for the log, such as `ECONNREFUSED`. */
export function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.name;
}

/** Whether an error tells nothing about the backend. */
export function isGatewayFault(error: Error): boolean {
  return GATEWAY_FAULT_CODES.has(codeOf(error));
}

/** Whether the connection to the backend was closed or lost. */
export function isDrop(error: NodeJS.ErrnoException): boolean {
  return CONNECTION_LOST_CODES.has(error.code ?? '');
}

export function isProxyTimeout(error: NodeJS.ErrnoException): boolean {
  return error.code === PROXY_TIMEOUT_CODE;
}

export function proxyTimeoutError(): Error {
  return errorWithCode(PROXY_TIMEOUT_CODE, 'The backend did not answer in time.');
}

export function connectError(code: string): Error {
  return errorWithCode(code, 'No connection to the backend could be made.');
}

/** Something has removed the body headers, such as a `bypass` or `shouldHold` function. */
export function unframedBodyError(): Error {
  return errorWithCode(
    'ERR_ANTRACT_UNFRAMED_BODY',
    'A request without Content-Length or Transfer-Encoding has a body.',
  );
}

/** `EPROTO` is "protocol error". */
export function badResponseError(): Error {
  return errorWithCode('EPROTO', 'The backend sent a response that can not be passed on.');
}

function errorWithCode(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
