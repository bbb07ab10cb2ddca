/**
 * The end of a wait that can't succeed, because the store does not answer.
 */
import type { Body } from './client/admin-client.ts';
import { CommandFailure, EXIT_FAILED } from './cli-error.ts';

export class StoreLost extends CommandFailure {
  /** What the server said last. */
  readonly body: Body;

  constructor(body: Body) {
    super(
      'The store does not answer, so this gateway alone was told, and others may still hold requests. ' +
        'Bring the store back, or run `antract resume` at each gateway.',
      EXIT_FAILED,
      { code: 'ERR_ANTRACT_STORE_LOST', details: body },
    );
    this.body = body;
  }
}
