/** How a call to the admin endpoints fails. */
import { CommandFailure, EXIT_FAILED, EXIT_USAGE } from '../cli-error.ts';

/** No response arrived, or one that is not from antract. The command may have been executed. */
export class UnreachableError extends CommandFailure {
  /** Nothing listens at the address, so the gateway does not run. */
  get isGone(): boolean {
    return GONE.has(systemCode(this.cause));
  }

  /** Whether the server may have received and executed the command. */
  get mayBeDone(): boolean {
    return this.cause !== undefined && !NOT_SENT.has(systemCode(this.cause));
  }
}

const GONE = new Set(['ECONNREFUSED', 'ENOENT']);
const NOT_SENT = new Set([
  ...GONE,
  'EACCES',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPROTO',
]);

function systemCode(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? '';
}

/** antract refused the command. */
export class RefusedError extends CommandFailure {
  readonly status: number;

  constructor(message: string, status: number, code: string) {
    // Repeating the command can't help: the name of the app or a value is wrong.
    super(message, status === 400 || status === 404 ? EXIT_USAGE : EXIT_FAILED, { code });
    this.status = status;
  }
}

/** Waiting can't succeed, because the store does not answer. */
export class StoreLostError extends CommandFailure {
  /** The last response of the server. */
  readonly body: Readonly<Record<string, unknown>>;

  constructor(body: Readonly<Record<string, unknown>>) {
    super(
      'The store does not answer, so the command reached only this gateway. ' +
        'Other gateways may still hold requests. ' +
        'Bring the store back, or run `antract resume` at each gateway.',
      EXIT_FAILED,
      { code: 'ERR_ANTRACT_STORE_LOST', details: body },
    );
    this.body = body;
  }
}
