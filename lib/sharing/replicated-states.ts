/**
 * The desired state of each app, in this process and in the store: keeps the two equal.
 *
 * The higher version wins, in this process or in the store. A state that the store has lost is published
 * again.
 */
import type { Clock } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import {
  applyCommand,
  endOf,
  running,
  type Command,
  type DesiredState,
} from '../gate/desired-state.ts';
import type { Gate } from '../gate/gate.ts';
import type { Logger } from '../options/options.ts';
import type { PublishResult, StoredState } from '../stores/store.ts';
import { COMPLETE } from './completeness.ts';
import type { GateSource } from './gate-source.ts';
import { parseState, serializeState, type ReplicatedState } from './state-text.ts';
import type { StoreCalls } from './store-calls.ts';

export interface ReplicatedStatesDeps {
  readonly calls: StoreCalls;
  readonly clock: Clock;
  /** The id of this process. */
  readonly self: string;
  readonly gates: GateSource;
  readonly logger: Logger;
}

/** What a command did in all processes. */
export interface Executed {
  /** Whether it led to another kind of state. */
  readonly changed: boolean;
  /** See {@link PublishResult.warning}. */
  readonly warning: string | undefined;
}

interface Known {
  /** The last state that was read. */
  shared: ReplicatedState | undefined;
  /** The version in the store, as far as it is known; 0 if the store has none. */
  stored: number;
  /** The last command that only this process knows. */
  pending: number | undefined;
  /** A version that could not be read, and was logged. */
  unreadable: number | undefined;
}

/** Other operators can't be faster than this many times in a row. */
const MAX_TRIES = 20;
/** How long the end of a pause is kept, for processes that missed it. */
const KEEP_MS = 3_600_000;
/** A stop without an end must not be forgotten, even if no process runs for weeks. */
const KEEP_STOP_MS = 10 * 365 * 86_400_000;

export class ReplicatedStates {
  readonly #deps: ReplicatedStatesDeps;
  readonly #onAcknowledged: () => void;
  readonly #known = new Map<string, Known>();
  #commands = 0;
  /** False while the processes that renew leases can't be heard. */
  #areLeasesActive = false;

  /** @param onAcknowledged called after a new state was read. */
  constructor(deps: ReplicatedStatesDeps, onAcknowledged: () => void) {
    this.#deps = deps;
    this.#onAcknowledged = onAcknowledged;
  }

  /** The acknowledged version of each app that is shared. */
  get versions(): ReadonlyMap<string, number> {
    const versions = new Map<string, number>();
    for (const [app, { shared }] of this.#known) if (shared) versions.set(app, shared.version);
    return versions;
  }

  /** The acknowledged state of each app that is shared. */
  get states(): ReadonlyMap<string, DesiredState> {
    const states = new Map<string, DesiredState>();
    for (const [app, { shared }] of this.#known) if (shared) states.set(app, shared.state);
    return states;
  }

  /** Returns the acknowledged version of an app; 0 if nothing is shared. */
  version(app: string): number {
    return this.#known.get(app)?.shared?.version ?? 0;
  }

  /** A gate was made; it adopts the known state. */
  informGate(gate: Gate): void {
    const shared = this.#known.get(gate.app)?.shared;
    if (shared) this.#adopt(gate, shared.state);
  }

  /**
   * Publishes what a command makes of the present state. If another process was faster, applies the command
   * again to the state that it published.
   *
   * @throws AntractError `ERR_ANTRACT_STORE_BUSY`, and as `applyCommand()`.
   * @throws StoreUnavailableError. The caller can then use {@link executeHere}.
   */
  async execute(gate: Gate, command: Command): Promise<Executed> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const next = this.#apply(gate, command);
      const changed = next.kind !== gate.desiredKind;
      const { published, warning } = await this.#publish(gate.app, next);
      if (published) return { changed, warning };
    }
    throw new AntractError(
      'ERR_ANTRACT_STORE_BUSY',
      `Other processes keep changing app \`${gate.app}\` at the same time. Nothing was changed here; try again.`,
      { status: 503 },
    );
  }

  /** Carries out a command in this process alone. It is published when the store answers again. */
  executeHere(gate: Gate, command: Command): boolean {
    const next = this.#apply(gate, command);
    this.#of(gate.app).pending = ++this.#commands;
    return gate.adopt(next);
  }

  /** A state was published, or found in the store. */
  take(app: string, stored: StoredState): void {
    if (app === COMPLETE) return;
    const known = this.#of(app);
    known.stored = stored.version;
    if (stored.version <= this.version(app) || stored.version === known.unreadable) return;
    const shared = parseState(stored, this.#deps.clock.now());
    if (!shared) {
      known.unreadable = stored.version;
      this.#deps.logger.warn(
        `WRN_ANTRACT_STORE_VALUE: the state of app '${app}' in the store can't be read; it is ignored.`,
      );
      return;
    }
    known.shared = shared;
    if (!this.#isOutdated(known, shared)) {
      known.pending = undefined;
      this.#adopt(this.#deps.gates.getIfAllowed(app), shared.state);
    }
    this.#onAcknowledged();
  }

  /** Takes over all newer states of the store. */
  takeAll(snapshot: ReadonlyMap<string, StoredState>): void {
    for (const [app, stored] of snapshot) this.take(app, stored);
  }

  /**
   * Publishes the states that the store lacks: commands that only this process knows, and states that a
   * restarted store has lost.
   *
   * @throws StoreUnavailableError
   */
  async bringBack(snapshot: ReadonlyMap<string, StoredState>): Promise<void> {
    // States that arrive in the meantime are newer than the snapshot.
    const all = [...this.#known];
    for (const [app, known] of all) {
      known.stored = snapshot.get(app)?.version ?? 0;
      const { pending, stored } = known;
      if (pending === undefined && stored >= this.version(app)) continue;
      const state = this.#stateOf(app);
      // A store keeps no state for an app that has been running for long.
      const isExpired = pending === undefined && stored === 0 && state?.kind === 'running';
      if (isExpired || !state) this.#known.delete(app);
      else await this.#publish(app, state, pending);
    }
  }

  /** Whether the last command of an app is known to this process only. */
  isPending(app: string): boolean {
    return this.#known.get(app)?.pending !== undefined;
  }

  /**
   * A gate has changed its state by itself. If another process was faster, its state is as good.
   *
   * @throws StoreUnavailableError
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
      // Every process ends the pause at its `maxTime` by itself. A late write must not undo a newer command.
      const isSeenByAll = gate.state.endedBy === 'maxTime' && known.pending === command;
      if (isSeenByAll) known.pending = undefined;
    }
  }

  /** Leases don't end pauses while no process can renew them. */
  suspendLeases(): void {
    this.#areLeasesActive = false;
    for (const gate of this.#deps.gates) {
      if (gate.state.leaseMs > 0) gate.adopt({ ...gate.state, leaseEnd: Infinity });
    }
  }

  /** Leases end at the times in the store. */
  trustLeases(): void {
    this.#areLeasesActive = true;
  }

  /** Each lease starts again with its full length. */
  renewLeases(): void {
    this.#areLeasesActive = true;
    const now = this.#deps.clock.now();
    for (const gate of this.#deps.gates) {
      const { state } = gate;
      if (state.leaseMs > 0) gate.adopt({ ...state, leaseEnd: now + state.leaseMs });
    }
  }

  /** Adopts the known states again, after gates were opened because the store did not answer. */
  restore(): void {
    for (const [app, { shared, pending }] of this.#known) {
      if (shared && pending === undefined) {
        this.#adopt(this.#deps.gates.getIfAllowed(app), shared.state);
      }
    }
  }

  #apply({ app, settings, state }: Gate, command: Command): DesiredState {
    return applyCommand(state, command, { app, settings, now: this.#deps.clock.now() });
  }

  #of(app: string): Known {
    let known = this.#known.get(app);
    if (!known) {
      known = { shared: undefined, stored: 0, pending: undefined, unreadable: undefined };
      this.#known.set(app, known);
    }
    return known;
  }

  /** This process wrote the state before its last command. It arrived late. */
  #isOutdated({ pending }: Known, { writer }: ReplicatedState): boolean {
    return pending !== undefined && writer.id === this.#deps.self && writer.command < pending;
  }

  #stateOf(app: string): DesiredState | undefined {
    return this.#deps.gates.getIfAllowed(app)?.state ?? this.#known.get(app)?.shared?.state;
  }

  #adopt(gate: Gate | undefined, shared: DesiredState): void {
    const now = this.#deps.clock.now();
    const state = this.#areLeasesActive ? shared : { ...shared, leaseEnd: Infinity };
    const end = endOf(state, now);
    gate?.adopt(end ? running(now, end) : state, now);
  }

  /** Not published: the store has another version than expected. A newer version is taken over. */
  async #publish(
    app: string,
    next: DesiredState,
    command = ++this.#commands,
  ): Promise<Pick<PublishResult, 'published' | 'warning'>> {
    const { calls, clock, self } = this.#deps;
    const known = this.#of(app);
    const now = clock.now();
    const value = serializeState(next, { id: self, command }, now, known.shared);
    const ttlMs = timeToLive(next, known.shared?.state, now);
    const expected = known.stored;
    const { published, current, warning } = await calls.call((store, withinMs) =>
      store.publish(app, { expected, value, ttlMs, withinMs }),
    );
    if (published && known.pending === command) known.pending = undefined;
    if (current) this.take(app, current);
    else known.stored = 0;
    return { published, warning };
  }
}

/** Longer than a process that missed this state can believe in the state before. */
function timeToLive(next: DesiredState, before: DesiredState | undefined, now: number): number {
  if (next.kind === 'stopped' && next.until === Infinity) return KEEP_STOP_MS;
  const ends = [next.until, before?.until ?? 0].filter(Number.isFinite);
  return Math.ceil(Math.max(0, ...ends.map((end) => end - now))) + KEEP_MS;
}
