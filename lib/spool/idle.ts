/**
 * The spool of a request that is left alone: it has no body, one that fits in Node's own buffer, or
 * one that can't be taken. Knows only what to say.
 */
import type { Spool, SpoolState } from './types.ts';

export class IdleSpool implements Spool {
  readonly state: SpoolState;
  readonly bytes = 0;
  readonly #onRelease: () => void;

  constructor(state: 'idle' | 'unread' | 'too-large', onRelease: () => void = () => undefined) {
    this.state = state;
    this.#onRelease = onRelease;
  }

  release(): void {
    this.#onRelease();
  }

  discard(): void {}
}
