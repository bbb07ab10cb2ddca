/**
 * The records of a store that keeps them in the memory of one process.
 */
import { AntractError } from '../common/errors.ts';
import {
  LATE,
  type Publication,
  type PublishResult,
  type StoredState,
  type StoredReport,
  type StoreListener,
} from './store.ts';

/** The state of one app as it is kept. `until` is when it expires. */
export interface KeptState extends Omit<StoredState, 'now'> {
  readonly until: number;
}

/** All states, and the last version, so that a later version is higher. */
export interface KeptStates {
  readonly lastVersion: number;
  readonly states: ReadonlyMap<string, KeptState>;
}

interface KeptReport {
  readonly report: StoredReport;
  readonly until: number;
}

export class Records {
  readonly #time: () => number;
  readonly #states: Map<string, KeptState>;
  readonly #reports = new Map<string, KeptReport>();
  readonly #listeners = new Set<StoreListener>();
  /** One number for all apps, so that expired apps need no record. */
  #lastVersion: number;

  /** @param time the clock of the store, in whole milliseconds since the epoch. */
  constructor(time: () => number, { lastVersion, states }: KeptStates = NO_STATES) {
    this.#time = time;
    this.#lastVersion = lastVersion;
    this.#states = new Map(states);
  }

  /** The states that have not expired. */
  get kept(): KeptStates {
    this.#removeExpired();
    return { lastVersion: this.#lastVersion, states: this.#states };
  }

  load(): ReadonlyMap<string, StoredState> {
    this.#removeExpired();
    const now = this.#time();
    return new Map([...this.#states].map(([app, state]) => [app, toStored(state, now)]));
  }

  /** @throws AntractError `ERR_ANTRACT_STORE` after the deadline. */
  publish(app: string, { expected, value, ttlMs, withinMs }: Publication): PublishResult {
    assertInTime(withinMs);
    this.#removeExpired();
    const before = this.#states.get(app);
    const at = this.#time();
    if ((before?.version ?? 0) !== expected) {
      return { published: false, current: before && toStored(before, at) };
    }
    const version = Math.max(at * 1000, this.#lastVersion + 1);
    this.#lastVersion = version;
    const state = { version, value, at, until: at + ttlMs };
    this.#states.set(app, state);
    const current = toStored(state, at);
    for (const listener of this.#listeners) listener.state(app, current);
    return { published: true, current };
  }

  /** Returns a function that removes the listener. */
  subscribe(listener: StoreListener): () => void {
    // A new object, because the same listener may subscribe twice.
    const own: StoreListener = {
      state: (app, state) => listener.state(app, state),
      report: (report) => listener.report?.(report),
    };
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** @throws AntractError `ERR_ANTRACT_STORE` after the deadline. */
  report(report: StoredReport, ttlMs: number, withinMs: number): void {
    assertInTime(withinMs);
    if (report.value === null) this.#reports.delete(report.id);
    else this.#reports.set(report.id, { report, until: this.#time() + ttlMs });
    for (const listener of this.#listeners) listener.report?.(report);
  }

  reports(): readonly StoredReport[] {
    removeOutdated(this.#reports, this.#time());
    return [...this.#reports.values()].map(({ report }) => report);
  }

  #removeExpired(): void {
    removeOutdated(this.#states, this.#time());
  }
}

/** The subscriptions that were made through one store. */
export class Subscriptions {
  readonly #ends = new Set<() => void>();

  /** Returns what `subscribe()` of a store resolves with. */
  add(unsubscribe: () => void): () => Promise<void> {
    this.#ends.add(unsubscribe);
    return async () => {
      this.#ends.delete(unsubscribe);
      unsubscribe();
    };
  }

  endAll(): void {
    for (const unsubscribe of this.#ends) unsubscribe();
    this.#ends.clear();
  }
}

const NO_STATES: KeptStates = { lastVersion: 0, states: new Map() };

function toStored({ version, value, at }: KeptState, now: number): StoredState {
  return { version, value, at, now };
}

function removeOutdated<T extends { readonly until: number }>(
  records: Map<string, T>,
  now: number,
): void {
  for (const [name, { until }] of records) if (until <= now) records.delete(name);
}

/** Writes happen during the call itself, so no time passes between the call and the write. */
function assertInTime(withinMs: number): void {
  if (withinMs <= 0) throw new AntractError('ERR_ANTRACT_STORE', LATE, { status: 503 });
}
