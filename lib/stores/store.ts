/**
 * The interface of a store, through which several processes share the desired state of each app and report
 * what they hold.
 *
 * Requests stay in the process that has their socket, and never wait for a store. So a store may be slow,
 * lose data or be unreachable: each process keeps what it knows, reads the store again, and publishes again
 * what the store has lost. A store must do three things well: let one of several writers win, tell the time,
 * and number its records.
 */

/** The record of one app in a store. */
export interface StoredState {
  /**
   * Higher than each earlier version of this app, even if its record had expired or was lost in between.
   * Usually a time in microseconds, or one more than the version before.
   */
  readonly version: number;
  /** The published text. It means nothing to a store. */
  readonly value: string;
  /** When it was published, in milliseconds on the clock of the store. A store has only one clock. */
  readonly at: number;
  /** The time on that clock when this record was read or sent. */
  readonly now: number;
}

/** One write of a state. */
export interface Publication {
  /** The version to replace; 0 if the app must have no record. */
  readonly expected: number;
  /** At most {@link MAX_VALUE} characters. */
  readonly value: string;
  /** How many milliseconds the record is kept, unless it is replaced. */
  readonly ttlMs: number;
  /**
   * How many milliseconds after the call this write may take effect. After that the caller gives up, and
   * the operator may send another command. A store that gets to the write later, because it was frozen or the
   * message was delayed, must reject it and change nothing. Check this with the clock of the store, in the
   * same step as the write: the caller can't cancel a message that it has sent. With 0 the write is always
   * too late.
   */
  readonly withinMs: number;
}

/** The result of `publish`. */
export interface PublishResult {
  /** False if the app had another version than the expected one. Then nothing has changed. */
  readonly published: boolean;
  /** The current record of the app; undefined if there is none. */
  readonly current: StoredState | undefined;
  /** A sentence for the operator, if the write has taken effect but could be lost. Commands return it. */
  readonly warning?: string | undefined;
}

/** The report of one process. */
export interface StoredReport {
  /** Identifies the process. */
  readonly id: string;
  /** The reported text, which means nothing to a store. Null: the report is removed. */
  readonly value: string | null;
}

/** Receives published states and reports. A call may come twice, late or never. */
export interface StoreListener {
  /** A state was published, by any process including this one. */
  state(app: string, state: StoredState): void;
  /** A process has reported. */
  report?(report: StoredReport): void;
}

/** Write your own store by this interface, and test it with `storeContract()`. */
export interface Store {
  /**
   * Whether an empty store means that nothing was ever published, because the store can't lose data while
   * one of its processes runs. Processes that start on any other empty store hold requests for 3 s, because
   * another process may know of a pause that the store has lost.
   *
   * @default false
   */
  readonly startsEmpty?: boolean;

  /**
   * Whether the data outlives the last process that uses the store. If not, `antract run` does not wait for a
   * gateway that has ended, because the pause has ended with it.
   *
   * @default true
   */
  readonly isDurable?: boolean;

  /** Returns all records, by app. */
  load(): Promise<ReadonlyMap<string, StoredState>>;

  /**
   * Replaces one version by another in one step: of several calls that expect the same version, one
   * succeeds. Notifies all listeners.
   */
  publish(app: string, publication: Publication): Promise<PublishResult>;

  /**
   * Resolves when the listener will receive all later publications, as far as the connection works.
   * Resolves with a function that removes the listener.
   */
  subscribe(listener: StoreListener): Promise<() => Promise<void>>;

  /**
   * Keeps the report of a process for `ttlMs`, and notifies all listeners. A value of null removes it.
   * `withinMs` is as in {@link Publication.withinMs}. Without `report` and {@link reports}, each process
   * knows only its own counts, and `drained` means that this process has drained.
   */
  report?(report: StoredReport, ttlMs: number, withinMs: number): Promise<void>;

  /** Returns the last report of each process, unless it has expired. */
  reports?(): Promise<readonly StoredReport[]>;

  /** Closes the connections of this store. Its data stays for the other processes. */
  close?(): Promise<void>;
}

/**
 * The version of all messages between processes: states and reports in a store, and the messages between the
 * primary and the workers of a cluster. One of them may run older code than the others. Raise it when a
 * message changes its meaning. Unknown fields are ignored.
 */
export const PROTOCOL = 1;

/** The value of a report about a process that ended before it left, as its cluster's primary saw. */
export const ENDED = 'ended';

/** The value of the last report of a process that leaves. It is kept, because a message may be missed. */
export const LEFT = 'left';

/** The value of a report about a silent process that was replaced, or has ended as an operator says. */
export const DISMISSED = 'dismissed';

/**
 * How long a store keeps a report. A process counts as lost much earlier, but a process that starts later
 * must know that the lost one may still run.
 */
export const REPORT_TTL_MS = 3_600_000;

/** How many characters a store must accept as the value of a state or a report. */
export const MAX_VALUE = 64 * 1024;

/** The message of a write that the store rejected after its deadline. */
export const LATE = 'The write reached the store after its deadline, and was not carried out.';
