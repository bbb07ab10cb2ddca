/** Passes a spooled body to the reader of its request, as fast as the reader asks for it. */
import type { BodyInterceptor } from './body-interceptor.ts';
import type { SpooledBody } from './spooled-body.ts';

export interface BodyReplayListener {
  /**
   * The replay waits for its reader or for more of the body.
   *
   * @param isEmpty whether all bytes were passed on and the reader asks for more.
   */
  onPause(isEmpty: boolean): void;
  /** Bytes on the disk can't be read. They are lost. */
  onReadFailed(error: unknown): void;
}

export class BodyReplay {
  readonly #body: SpooledBody;
  readonly #interceptor: BodyInterceptor;
  readonly #listener: BodyReplayListener;
  #isStarted = false;
  #isWanted = false;
  #isRunning = false;

  constructor(body: SpooledBody, interceptor: BodyInterceptor, listener: BodyReplayListener) {
    this.#body = body;
    this.#interceptor = interceptor;
    this.#listener = listener;
  }

  start(): void {
    this.#isStarted = true;
  }

  stop(): void {
    this.#isStarted = false;
  }

  /** The reader asks for more. Takes effect with {@link run}. */
  want(): void {
    this.#isWanted = true;
  }

  run(): void {
    // A reader asks for more from within `push()`.
    if (this.#isRunning) return;
    this.#isRunning = true;
    let isEmpty = false;
    while (this.#isWanted && this.#isStarted) {
      const next = this.#body.next();
      if (next instanceof Promise) return this.#runLater(next);
      isEmpty = next === undefined;
      if (!next) break;
      this.#push(next);
    }
    this.#isRunning = false;
    this.#listener.onPause(isEmpty);
  }

  #push(chunk: Buffer): void {
    this.#body.advance(chunk.length);
    this.#isWanted = this.#interceptor.push(chunk);
  }

  #runLater(next: Promise<Buffer | undefined>): void {
    next.then(
      (chunk) => {
        if (chunk && this.#isStarted) this.#push(chunk);
        this.#isRunning = false;
        this.run();
      },
      (error: unknown) => {
        this.#isRunning = false;
        this.#listener.onReadFailed(error);
      },
    );
  }
}
