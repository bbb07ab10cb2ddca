/**
 * What a store is: the place through which several processes share what an operator asked for, and
 * tell each other what they hold. Types only; knows neither apps nor requests.
 *
 * Requests stay in the process that has their socket, and never wait for a store. So one may be slow,
 * forget, or be away: whoever uses it holds what is known, looks again, and brings back what was lost.
 * It has to do three things well: let one of several writers win, tell the time, and number what it has.
 */

/** What a store has for one app. */
export interface StoredState {
  /**
   * Greater than each version that this app has had before, also where its record had expired or was
   * lost in between. Usually a time in microseconds, or one more than the version before.
   */
  readonly version: number;
  /** As it was published: text that means nothing to a store. */
  readonly value: string;
  /** When it was published: milliseconds by the store's own clock, of which there is only one. */
  readonly at: number;
  /** What that clock says now: when this was read, or sent. */
  readonly now: number;
}

/** A write to the store. */
export interface Publication {
  /** The version that is to be replaced; 0 where there is to be none. */
  readonly expected: number;
  /** At most {@link MAX_VALUE} characters. */
  readonly value: string;
  /** For how long it is kept, unless it is replaced. */
  readonly ttlMs: number;
  /**
   * Until how many milliseconds after the call this write may take effect. The caller gives up then, and
   * the operator may command something else. A store that gets to the write later, because it was
   * frozen or the message was on its way, must reject the write and change nothing. Compare with the
   * store's own clock, in the same step as the write: cancelling at the caller can't stop a message
   * that has left. With 0 the write is always too late.
   */
  readonly withinMs: number;
}

/** The result of a write. */
export interface PublishResult {
  /** False where another version was found than the expected one; then nothing has changed. */
  readonly published: boolean;
  /** What there is now; undefined where there is nothing. */
  readonly current: StoredState | undefined;
}

/** What a process tells of itself. */
export interface StoredReport {
  /** Of that process. */
  readonly id: string;
  /** As it was reported: text that means nothing to a store. Null: it has left. */
  readonly value: string | null;
}

/** Receives what other processes publish. */
export interface StoreListener {
  /** Something was published, by whomever: by this store as well. May come twice, late, or never. */
  state(app: string, state: StoredState): void;
  /** A process has told of itself. Likewise. */
  report?(report: StoredReport): void;
}

/**
 * Shares desired states and reports between processes. docs/stores.md explains how to write one;
 * `storeContract()` tests it.
 */
export interface Store {
  /**
   * Whether an empty store means that nothing was ever published: it can't lose what it has while a
   * process that uses it runs. Processes that start on any other empty store hold requests for 3 s,
   * as another process may know of a pause that the store has lost. Default false.
   */
  readonly startsEmpty?: boolean;

  /** All that it has, by app. */
  load(): Promise<ReadonlyMap<string, StoredState>>;

  /**
   * Replaces one version by another, in one step: of several that expect the same, one succeeds.
   * Tells all who have subscribed.
   */
  publish(app: string, publication: Publication): Promise<PublishResult>;

  /**
   * Resolves when everything that is published from then on is going to be told, as far as the way
   * there is sound. What the function that it resolves with does is to take the listener off.
   */
  subscribe(listener: StoreListener): Promise<() => Promise<void>>;

  /**
   * Keeps what a process tells of itself, for `ttlMs`, and tells all who have subscribed. A value of
   * null takes it away. `withinMs` as in {@link Publication.withinMs}. Without this and {@link reports} each process knows its own counts alone, and
   * takes a drain of its own for a drain of all.
   */
  report?(report: StoredReport, ttlMs: number, withinMs: number): Promise<void>;

  /** What processes have told and is not too old, each by its last. */
  reports?(): Promise<readonly StoredReport[]>;

  /** Ends what it has opened. What it keeps is left to the others. */
  close?(): Promise<void>;
}

/** The value of a report about a process that its cluster's primary saw end before it had left. */
export const ENDED = 'ended';

/** The value of the last report of a process that leaves. Kept: a process may miss the message. */
export const LEFT = 'left';

/** The value of a report about a silent process: its successor was seen, or an operator says that it has ended. */
export const DISMISSED = 'dismissed';

/**
 * How long a store keeps a report. A process is taken for lost much earlier, but a process that starts
 * later has to know that it may still be running.
 */
export const REPORT_TTL_MS = 3_600_000;

/** How many characters a store has to take in one value, of a state as of a report. */
export const MAX_VALUE = 64 * 1024;

/** The message of a write that the store rejected because its time was over. */
export const LATE = 'The write reached the store after its deadline, and was not carried out.';
