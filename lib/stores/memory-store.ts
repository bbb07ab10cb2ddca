/**
 * A store in the memory of one process: for several instances, for tests, and for the primary of a cluster.
 */
import { systemClock, type Clock } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import {
  LATE,
  type Publication,
  type PublishResult,
  type Store,
  type StoredState,
  type StoredReport,
  type StoreListener,
} from './store.ts';

interface Expiring<T> {
  readonly content: T;
  readonly until: number;
}

/** What linked stores share. */
interface Memory {
  readonly clock: Clock;
  readonly states: Map<string, Expiring<Omit<StoredState, 'now'>>>;
  readonly reports: Map<string, Expiring<StoredReport>>;
  readonly listeners: Set<StoreListener>;
  /** One number for all apps, so that expired apps need no record. */
  lastVersion: number;
}

/**
 * Shares states between instances in one process.
 *
 * @example
 * const store = new MemoryStore();
 * const one = createAntract({ store });
 * const other = createAntract({ store: new MemoryStore(store) });
 */
export class MemoryStore implements Store {
  /** The store is not older than its process. */
  readonly startsEmpty = true;
  readonly #memory: Memory;
  readonly #own = new Set<StoreListener>();

  /**
   * @param other a store to share the data with.
   * @param clock replaced in tests.
   */
  constructor(other?: MemoryStore, clock: Clock = systemClock) {
    this.#memory = other ? other.#memory : createMemory(clock);
  }

  async load(): Promise<ReadonlyMap<string, StoredState>> {
    const { states } = this.#memory;
    const found = new Map<string, StoredState>();
    for (const app of states.keys()) {
      const state = this.#current(app);
      if (state) found.set(app, state);
    }
    return found;
  }

  async publish(app: string, publication: Publication): Promise<PublishResult> {
    const { expected, value, ttlMs, withinMs } = publication;
    assertInTime(withinMs);
    const memory = this.#memory;
    const before = this.#current(app);
    if ((before?.version ?? 0) !== expected) return { published: false, current: before };
    const at = Math.floor(memory.clock.date());
    const version = Math.max(at * 1000, memory.lastVersion + 1);
    memory.lastVersion = version;
    memory.states.set(app, { content: { version, value, at }, until: at + ttlMs });
    const current = { version, value, at, now: at };
    for (const listener of memory.listeners) listener.state(app, current);
    return { published: true, current };
  }

  async subscribe(listener: StoreListener): Promise<() => Promise<void>> {
    // A new object, because the same listener may subscribe twice.
    const own: StoreListener = {
      state: (app, state) => listener.state(app, state),
      report: (report) => listener.report?.(report),
    };
    this.#own.add(own);
    this.#memory.listeners.add(own);
    return async () => this.#unsubscribe(own);
  }

  async report(report: StoredReport, ttlMs: number, withinMs: number): Promise<void> {
    assertInTime(withinMs);
    const { clock, reports, listeners } = this.#memory;
    if (report.value === null) reports.delete(report.id);
    else reports.set(report.id, { content: report, until: clock.date() + ttlMs });
    for (const listener of listeners) listener.report?.(report);
  }

  async reports(): Promise<readonly StoredReport[]> {
    const { clock, reports } = this.#memory;
    for (const [id, { until }] of reports) if (until <= clock.date()) reports.delete(id);
    return [...reports.values()].map(({ content }) => content);
  }

  async close(): Promise<void> {
    for (const listener of this.#own) this.#unsubscribe(listener);
  }

  #unsubscribe(listener: StoreListener): void {
    this.#own.delete(listener);
    this.#memory.listeners.delete(listener);
  }

  #current(app: string): StoredState | undefined {
    const { clock, states } = this.#memory;
    const entry = states.get(app);
    const now = Math.floor(clock.date());
    if (entry && now < entry.until) return { ...entry.content, now };
    states.delete(app);
    return undefined;
  }
}

/** Writes happen during the call itself, so no time passes between the call and the write. */
function assertInTime(withinMs: number): void {
  if (withinMs <= 0) throw new AntractError('ERR_ANTRACT_STORE', LATE, { status: 503 });
}

function createMemory(clock: Clock): Memory {
  return {
    clock,
    states: new Map(),
    reports: new Map(),
    listeners: new Set(),
    lastVersion: 0,
  };
}
