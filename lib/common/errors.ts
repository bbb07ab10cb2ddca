/**
 * The error class of antract. Expected outcomes, such as a rejected request or a drain that timed out, are
 * values. An error means misuse or a fault.
 */

/** Every code of an {@link AntractError} or a rejected request. docs/errors.md has a section for each. */
export const ERROR_CODES = [
  'ERR_ANTRACT_OPTION',
  'ERR_ANTRACT_APP_NAME',
  'ERR_ANTRACT_UNKNOWN_APP',
  'ERR_ANTRACT_TOO_MANY_APPS',
  'ERR_ANTRACT_NOT_PAUSED',
  'ERR_ANTRACT_ALREADY_PAUSED',
  'ERR_ANTRACT_DRAIN_TIMEOUT',
  'ERR_ANTRACT_OWN_REQUEST',
  'ERR_ANTRACT_NOT_RELEASED',
  'ERR_ANTRACT_CLOSED',
  'ERR_ANTRACT_STORE_BUSY',
  'ERR_ANTRACT_HOLD_TIMEOUT',
  'ERR_ANTRACT_STOPPED',
  'ERR_ANTRACT_FULL',
  'ERR_ANTRACT_SHUTDOWN',
  'ERR_ANTRACT_BODY_TOO_LARGE',
  'ERR_ANTRACT_LONG_POLL',
  'ERR_ANTRACT_WAITING_PAGE',
  'ERR_ANTRACT_BODY_TIMEOUT',
  'ERR_ANTRACT_FUNCTION',
  'ERR_ANTRACT_TOO_MANY_HEADERS',
  'ERR_ANTRACT_BAD_GATEWAY',
  'ERR_ANTRACT_GATEWAY_TIMEOUT',
  'ERR_ANTRACT_TOO_MANY_CONNECTIONS',
  'ERR_ANTRACT_UNREADABLE',
  'ERR_ANTRACT_UNKNOWN_HOST',
  'ERR_ANTRACT_BAD_TARGET',
  'ERR_ANTRACT_ADMIN_EXPOSED',
  'ERR_ANTRACT_ADMIN_TOKEN',
  'ERR_ANTRACT_ADMIN_REFUSED',
  'ERR_ANTRACT_ADMIN_CROSS_SITE',
  'ERR_ANTRACT_ADMIN_PATH',
  'ERR_ANTRACT_ADMIN_METHOD',
  'ERR_ANTRACT_ADMIN_BODY',
  'ERR_ANTRACT_ADMIN_BUSY',
  'ERR_ANTRACT_ADMIN_FAULT',
  'ERR_ANTRACT_METRICS',
  'ERR_ANTRACT_STORE',
  'ERR_ANTRACT_STATE_FILE',
  'ERR_ANTRACT_RELOAD',
  'ERR_ANTRACT_RELOADING',
  'ERR_ANTRACT_PROTOCOL',
  'ERR_ANTRACT_FAILED',
  'ERR_ANTRACT_UNREACHABLE',
  'ERR_ANTRACT_COMMAND_FAILED',
  'ERR_ANTRACT_PAUSE_LOST',
  'ERR_ANTRACT_STORE_LOST',
  'ERR_ANTRACT_PROBE_TIMEOUT',
  'ERR_ANTRACT_INTERRUPTED',
] as const;

/** The code of an `AntractError` or of a rejection. docs/errors.md explains each code. */
export type AntractErrorCode = (typeof ERROR_CODES)[number];

/** Options of an `AntractError`. */
export interface AntractErrorOptions extends ErrorOptions {
  /**
   * The HTTP status of a response to a request that fails with this error.
   *
   * @default 400
   */
  status?: number;
}

/**
 * The error of antract for wrong usage and for faults. docs/errors.md explains each code.
 *
 * @example
 * try {
 *   await antract.during('default', migrate);
 * } catch (error) {
 *   if (error instanceof AntractError && error.code === 'ERR_ANTRACT_DRAIN_TIMEOUT') retryLater();
 * }
 */
export class AntractError extends Error {
  /** Always `'AntractError'`. */
  override readonly name = 'AntractError';
  /** Identifies the error and does not change between versions. */
  readonly code: AntractErrorCode;
  /** The HTTP status of a response to a request that fails with this error. */
  readonly status: number;

  constructor(code: AntractErrorCode, message: string, options: AntractErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.status = options.status ?? 400;
  }
}
