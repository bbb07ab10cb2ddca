/**
 * What happened to each app: paused by whom and why, drained, resumed, and so on. Writes one line to the log
 * for each, and keeps the latest ones.
 */
import type { Clock } from '../common/clock.ts';
import type { Logger, LogRecord } from '../common/logger.ts';
import type { Actor } from '../gate/actor.ts';
import type { StatusFields } from '../gate/status.ts';
import type { AntractEvents } from '../gate/events.ts';
import { warningOf } from './event-warnings.ts';
import {
  isTransition,
  transitionText,
  type Transition,
  type TransitionName,
} from './transition.ts';

export interface TransitionLogDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The requests of an app in all processes. */
  readonly countsOf: (app: string) => TransitionCounts;
  /** Of several processes, one writes the line. */
  readonly isLeader: () => boolean;
}

export interface TransitionCounts {
  readonly held: number;
  readonly inFlight: number;
}

/** How many transitions are kept of each app. */
const MAX_KEPT = 50;

type Payload = AntractEvents[keyof AntractEvents][0];

export class TransitionLog {
  readonly #deps: TransitionLogDeps;
  readonly #kept = new Map<string, Transition[]>();
  /** The apps whose next `resumed` follows an `expired`, which says the same. */
  readonly #expired = new Set<string>();
  #lastId = 0;

  constructor(deps: TransitionLogDeps) {
    this.#deps = deps;
  }

  /** The id of the latest transition; 0 if there is none. */
  get lastId(): number {
    return this.#lastId;
  }

  /** The kept transitions of one app or of all, oldest first. */
  list(app?: string): Transition[] {
    if (app !== undefined) return [...(this.#kept.get(app) ?? [])];
    return [...this.#kept.values()].flat().toSorted((a, b) => a.id - b.id);
  }

  forget(app: string): void {
    this.#kept.delete(app);
    this.#expired.delete(app);
  }

  /** An event has happened. Logs it if it is worth a line. */
  record(event: keyof AntractEvents, payload: Payload): void {
    const warning = warningOf(event, payload);
    if (!isTransition(event)) {
      if (warning !== undefined) this.#deps.logger.warn(warning);
      return;
    }
    const { app } = payload;
    if (event === 'expired') this.#expired.add(app);
    if (event === 'resumed' && this.#expired.delete(app)) return;
    const counts = this.#deps.countsOf(app);
    const transition = this.#describe(event, payload as { app: string } & Partial<Facts>, counts);
    this.#keep(transition);
    this.#log(transition, warning);
  }

  /** A command has changed the terms of a pause or a stop. This process alone knows of it, so it logs it. */
  recordChange(app: string, by: Actor | null, { reason, message, endsInMs }: StatusFields): void {
    const counts = this.#deps.countsOf(app);
    const given = { app, by, reason: reason ?? message, endsInMs };
    const transition = this.#describe('changed', given, counts);
    this.#keep(transition);
    this.#write(transition, 'info', transition.text);
  }

  #keep(transition: Transition): void {
    const kept = this.#kept.get(transition.app) ?? [];
    this.#kept.set(transition.app, [...kept, transition].slice(-MAX_KEPT));
  }

  #describe(
    event: TransitionName,
    given: { readonly app: string } & Partial<Facts>,
    counts: TransitionCounts,
  ): Transition {
    const facts = {
      event,
      app: given.app,
      by: given.by ?? null,
      reason: given.reason ?? given.message ?? given.lastSeen ?? null,
      cause: given.cause ?? null,
      forMs: given.pausedForMs ?? given.afterMs ?? given.downForMs ?? null,
      endsInMs: given.endsInMs ?? null,
      // A stop has rejected the held requests already.
      held: counts.held + (event === 'stopped' ? (given.held ?? 0) : 0),
      inFlight: counts.inFlight,
    };
    return {
      id: ++this.#lastId,
      at: this.#deps.clock.date(),
      ...facts,
      text: transitionText(facts, given),
    };
  }

  #log(transition: Transition, warning: string | undefined): void {
    if (!this.#deps.isLeader()) return;
    if (warning === undefined) this.#write(transition, 'info', transition.text);
    else this.#write(transition, 'warn', warning);
  }

  #write(
    { id: _id, at: _at, text: _text, ...fields }: Transition,
    level: LogRecord['level'],
    message: string,
  ): void {
    const { logger } = this.#deps;
    if (logger.record) logger.record({ level, message, fields });
    else logger[level](message);
  }
}

/** The fields of all transitions. */
interface Facts {
  by: Actor | null;
  reason: string | null;
  message: string | null;
  lastSeen: string | null;
  cause: 'maxTime' | 'lease';
  ended: 'pause' | 'stop';
  action: 'release' | 'stop';
  pausedForMs: number | null;
  afterMs: number;
  downForMs: number;
  endsInMs: number | null;
  held: number;
}
