/** How a call to the admin endpoints fails. */
import { CommandFailure, EXIT_FAILED, EXIT_USAGE } from '../cli-error.ts';

/** Nobody answered, or not as antract does. What was asked for may have been done all the same. */
export class UnreachableError extends CommandFailure {
  /** Nothing listens at the address: the gateway does not run. */
  get isGone(): boolean {
    return GONE.has(systemCode(this.cause));
  }

  /** The request may have been received, and done. */
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

/** antract answered that it won't. */
export class RefusedError extends CommandFailure {
  readonly status: number;

  constructor(message: string, status: number, code: string) {
    // What was asked for can't work, however often: the app's name, a value.
    super(message, status === 400 || status === 404 ? EXIT_USAGE : EXIT_FAILED, { code });
    this.status = status;
  }
}

export class StoreLostError extends CommandFailure {
  /** What the server said last. */
  readonly body: Readonly<Record<string, unknown>>;

  constructor(body: Readonly<Record<string, unknown>>) {
    super(
      'The store does not answer, so this gateway alone was told, and others may still hold requests. ' +
        'Bring the store back, or run `antract resume` at each gateway.',
      EXIT_FAILED,
      { code: 'ERR_ANTRACT_STORE_LOST', details: body },
    );
    this.body = body;
  }
}
