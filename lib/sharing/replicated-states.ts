/**
 * What was asked for in each app, here and in the store: keeps the two alike. Knows gates and one line
 * to a store; when to look, and what to do while it does not answer, is decided elsewhere.
 *
 * The higher version wins, wherever it is found. A store that has lost one gets it back.
 */
import { MAX_DELAY_MS, type Clock } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import type { Gate } from '../gate/gate.ts';
import { endOf, running, type DesiredState } from '../gate/desired-state.ts';
import type { StoredState } from '../stores/store.ts';
import { COMPLETE } from './completeness.ts';
import { parseState, serializeState, type ReplicatedState } from './state-text.ts';
import type { StoreCalls } from './store-calls.ts';

export interface SharedIntentsContext {
  readonly line: StoreCalls;
  readonly clock: Clock;
  /** The id of this process. */
  readonly self: string;
  /** The gate of an app, made where need be; undefined where this process has no such app, or no room. */
  readonly gate: (app: string) => Gate | undefined;
  readonly gates: () => Iterable<Gate>;
  /** Something was understood that is new. */
  readonly acknowledged: (app: string) => void;
  readonly warn: (message: string) => void;
}

interface Known {
  /** What was understood last. */
  shared: ReplicatedState | undefined;
  /** The version that the store has, as far as is known; 0 where it has none. */
  stored: number;
  /** The last command that only this process knows of. */
  pending: number | undefined;
  /** The version that could not be read, and was told of. */
  nonsense: number | undefined;
}

/** Two operators can't be quicker than this for long. */
const MAX_TRIES = 20;
/** For how long the end of a pause is kept, for whoever missed it. */
const KEEP_MS = 3_600_000;

export class ReplicatedStates {
  readonly #context: SharedIntentsContext;
  readonly #known = new Map<string, Known>();
  #commands = 0;
  /** Whether leases count: not while those who renew them can't be heard. */
  #leasesCount = false;

  constructor(context: SharedIntentsContext) {
    this.#context = context;
  }

  /** What is understood of each app that is shared. */
  get versions(): ReadonlyMap<string, number> {
    const shared = [...this.#known].flatMap(([app, { shared: known }]) =>
      known ? [[app, known.version] as const] : [],
    );
    return new Map(shared);
  }

  /** What is understood of an app; 0 where nothing is shared. */
  version(app: string): number {
    return this.#known.get(app)?.shared?.version ?? 0;
  }

  /** A gate was made. */
  tell(gate: Gate): void {
    const shared = this.#known.get(gate.app)?.shared;
    if (shared) this.#adopt(gate, shared.state);
  }

  /**
   * Publishes what `plan` makes of the present state. Returns whether that is another intent.
   *
   * @param plan asked again whenever somebody else was quicker; throws where it can't be done.
   * @throws AntractError `ERR_ANTRACT_STORE_BUSY`; StoreTrouble, and then {@link changeHere} is left.
   */
  async change(gate: Gate, plan: () => DesiredState): Promise<boolean> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const next = plan();
      const changes = next.kind !== gate.desiredKind;
      if (await this.#publish(gate.app, next)) return changes;
    }
    throw new AntractError(
      'ERR_ANTRACT_STORE_BUSY',
      `Others change what is asked of app \`${gate.app}\` again and again; nothing was changed here.`,
      { status: 503 },
    );
  }

  /** While the store does not answer: what is asked for goes for this process, and is published later. */
  changeHere(gate: Gate, next: DesiredState): boolean {
    this.#of(gate.app).pending = ++this.#commands;
    return gate.adopt(next);
  }

  /** Something was published, or found in the store. */
  take(app: string, stored: StoredState): void {
    if (app === COMPLETE) return;
    const known = this.#of(app);
    known.stored = stored.version;
    if (stored.version <= this.version(app) || stored.version === known.nonsense) return;
    const shared = parseState(stored, this.#context.clock.now());
    if (!shared) {
      known.nonsense = stored.version;
      this.#context.warn(
        `WRN_ANTRACT_STORE_VALUE: what the store has of app '${app}' makes no sense.`,
      );
      return;
    }
    known.shared = shared;
    if (!this.#isOvertaken(known, shared)) {
      known.pending = undefined;
      this.#adopt(this.#context.gate(app), shared.state);
    }
    this.#context.acknowledged(app);
  }

  /** Takes over what is newer in the store. */
  takeAll(snapshot: ReadonlyMap<string, StoredState>): void {
    for (const [app, stored] of snapshot) this.take(app, stored);
  }

  /**
   * Brings to the store what it should have and has not: what only this process was told, and what a
   * store that was restarted has lost.
   *
   * @throws StoreTrouble.
   */
  async bringBack(snapshot: ReadonlyMap<string, StoredState>): Promise<void> {
    // What comes while it is busy is newer than the snapshot.
    const all = [...this.#known];
    for (const [app, known] of all) {
      known.stored = snapshot.get(app)?.version ?? 0;
      const { pending, stored } = known;
      if (pending === undefined && stored >= this.version(app)) continue;
      const state = this.#stateOf(app);
      // Nothing is what a store may well have of an app that runs.
      const isForgotten = pending === undefined && stored === 0 && state?.kind === 'running';
      if (isForgotten || !state) this.#known.delete(app);
      else await this.#publish(app, state, pending);
    }
  }

  /** Whether there is something that only this process knows of. */
  isPending(app: string): boolean {
    return this.#known.get(app)?.pending !== undefined;
  }

  /**
   * A gate has changed its intent by itself. Others may have been quicker, and be as right.
   *
   * @throws StoreTrouble.
   */
  async publishOwn(gate: Gate): Promise<void> {
    const known = this.#of(gate.app);
    const command = ++this.#commands;
    known.pending = command;
    try {
      for (let tries = 0; tries < MAX_TRIES && known.pending === command; tries++) {
        await this.#publish(gate.app, gate.state, command);
      }
    } finally {
      // All see by themselves that the time is over: it must not undo later what was asked for since.
      const isSeenByAll = gate.state.endedBy === 'maxTime' && known.pending === command;
      if (isSeenByAll) known.pending = undefined;
    }
  }

  /** A pause is not ended by a lease that nobody could have renewed. */
  suspendLeases(): void {
    this.#leasesCount = false;
    for (const gate of this.#context.gates()) {
      if (gate.state.leaseMs > 0) gate.adopt({ ...gate.state, leaseEnd: Infinity });
    }
  }

  /** Those who renew them have as long as at first. */
  renewLeases(): void {
    this.#leasesCount = true;
    const now = this.#context.clock.now();
    for (const gate of this.#context.gates()) {
      const { state } = gate;
      if (state.leaseMs > 0) gate.adopt({ ...state, leaseEnd: now + state.leaseMs });
    }
  }

  /** What is known to be asked for, where something else was done while the store did not answer. */
  restore(): void {
    for (const [app, { shared, pending }] of this.#known) {
      if (shared && pending === undefined) this.#adopt(this.#context.gate(app), shared.state);
    }
  }

  #of(app: string): Known {
    let known = this.#known.get(app);
    if (!known) {
      known = { shared: undefined, stored: 0, pending: undefined, nonsense: undefined };
      this.#known.set(app, known);
    }
    return known;
  }

  /** Sent by this process, before what it was asked for last; it arrived late. */
  #isOvertaken({ pending }: Known, { writer }: ReplicatedState): boolean {
    return pending !== undefined && writer.id === this.#context.self && writer.command < pending;
  }

  #stateOf(app: string): DesiredState | undefined {
    return this.#context.gate(app)?.state ?? this.#known.get(app)?.shared?.state;
  }

  #adopt(gate: Gate | undefined, shared: DesiredState): void {
    const now = this.#context.clock.now();
    const state = this.#leasesCount ? shared : { ...shared, leaseEnd: Infinity };
    const end = endOf(state, now);
    gate?.adopt(end ? running(now, end) : state, now);
  }

  /** False where the store has another version than was known; then that is taken over, if newer. */
  async #publish(app: string, next: DesiredState, command = ++this.#commands): Promise<boolean> {
    const { line, clock, self } = this.#context;
    const known = this.#of(app);
    const now = clock.now();
    const value = serializeState(next, { id: self, command }, now, known.shared);
    const ttlMs = timeToLive(next, known.shared?.state, now);
    const expected = known.stored;
    const { published, current } = await line.call((store, withinMs) =>
      store.publish(app, { expected, value, ttlMs, withinMs }),
    );
    if (published && known.pending === command) known.pending = undefined;
    if (current) this.take(app, current);
    else known.stored = 0;
    return published;
  }
}

/** Longer than anybody who missed it can think that a pause goes on. */
function timeToLive(next: DesiredState, before: DesiredState | undefined, now: number): number {
  if (next.kind === 'stopped' && next.until === Infinity) return MAX_DELAY_MS;
  const ends = [next.until, before?.until ?? 0].filter(Number.isFinite);
  return Math.ceil(Math.max(0, ...ends.map((end) => end - now))) + KEEP_MS;
}
