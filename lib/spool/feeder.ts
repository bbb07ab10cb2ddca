/**
 * Hands a spooled body on, as fast as it is wanted and no faster. Knows neither request nor disk.
 */
import type { SpoolBody } from './body.ts';

export interface FeederEvents {
  /** Whether anything is to be handed on at all now. */
  isOpen(): boolean;
  /** Takes bytes; returns whether more are wanted at once. */
  handOn(chunk: Buffer): boolean;
  /** There is nothing to hand on, and more is wanted. */
  allRead(): void;
  /** Called when handing on has come to a rest. */
  rested(): void;
  failed(error: unknown): void;
}

export class Feeder {
  readonly #body: SpoolBody;
  readonly #events: FeederEvents;
  #wanted = false;
  #busy = false;

  constructor(body: SpoolBody, events: FeederEvents) {
    this.#body = body;
    this.#events = events;
  }

  /** More is wanted. Nothing is handed on before {@link run}. */
  want(): void {
    this.#wanted = true;
  }

  run(): void {
    // A reader asks for more from within `handOn`.
    if (this.#busy) return;
    this.#busy = true;
    while (this.#wanted && this.#events.isOpen()) {
      const next = this.#body.next();
      if (next instanceof Promise) return this.#runLater(next);
      if (!next) {
        this.#events.allRead();
        break;
      }
      this.#wanted = this.#events.handOn(next);
    }
    this.#busy = false;
    this.#events.rested();
  }

  #runLater(next: Promise<Buffer | undefined>): void {
    next.then(
      (chunk) => {
        if (chunk && this.#events.isOpen()) this.#wanted = this.#events.handOn(chunk);
        this.#busy = false;
        this.run();
      },
      (error: unknown) => {
        this.#busy = false;
        this.#events.failed(error);
      },
    );
  }
}
