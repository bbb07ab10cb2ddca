/**
 * Finds out when the backend has accepted a new connection, so that a request can be sent on it. Used
 * while the backend may fail at any moment.
 *
 * The kernel establishes a connection before the backend accepts it, and resets it when the backend
 * closes its listener or dies. A request that was written by then is lost, because it is unknown whether
 * the backend read it. Time doesn't help: on a busy machine a backend may accept late. But a backend
 * accepts connections in the order in which they were made. So a probe connection follows them, which
 * ends without sending anything. When the backend or the kernel has ended it too, every earlier
 * connection has been accepted or reset.
 */
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { systemClock, type Timer } from '../../../common/clock.ts';
import { isLive } from './socket-liveness.ts';

/**
 * A backend with one thread for each connection may accept the probe connection only after it has
 * answered others. So after this time the oldest pending connection is used without confirmation: if
 * the backend accepts any connection, it accepts that one first.
 */
const UNCONFIRMED_AFTER_MS = 250;

/** The longest wait for the confirmation of a connection, or for its response: a long poll has none. */
const MAX_WAIT_MS = 2000;

/**
 * A listener that is being closed refuses connections first. Then the kernel resets those that were not
 * accepted, one by one, and may run other processes in between. So a probe connection that is refused
 * confirms nothing until this time has passed.
 */
const RESET_MS = 100;

interface PendingConnection {
  readonly socket: Socket;
  readonly number: number;
  readonly use: () => void;
  hasWaited: boolean;
  timer: Timer;
}

export class AcceptCheck {
  readonly #address: NetConnectOpts;
  /** How many connections have been made. */
  #made = 0;
  /** How many of them, the oldest first, are known to be accepted or reset. */
  #accepted = 0;
  /** In the order in which they were made. */
  readonly #pending = new Set<PendingConnection>();
  #probe: Socket | undefined;
  /** How many connections had been made before the latest probe connection. */
  #probed = 0;
  /** A connection is in use without confirmation, and has no response yet. */
  #isOneUnconfirmed = false;

  constructor(address: NetConnectOpts) {
    this.#address = address;
  }

  /**
   * Adds a connection that was just made. Calls `use` when a request can be sent on it; destroys it if
   * it has ended by then. Returns a function that removes the connection.
   */
  add(socket: Socket, use: () => void): () => void {
    const timer = systemClock.after(UNCONFIRMED_AFTER_MS, () => this.#onWaited(pending));
    const pending: PendingConnection = {
      socket,
      number: ++this.#made,
      use,
      hasWaited: false,
      timer,
    };
    this.#pending.add(pending);
    // One probe connection for all connections that are made in this turn.
    if (this.#pending.size === 1) systemClock.nextTurn(() => this.#advance());
    return () => this.#remove(pending);
  }

  close(): void {
    const probe = this.#probe;
    this.#probe = undefined;
    probe?.destroy();
  }

  #onWaited(pending: PendingConnection): void {
    pending.hasWaited = true;
    pending.timer = systemClock.after(MAX_WAIT_MS - UNCONFIRMED_AFTER_MS, () => this.#use(pending));
    this.#advance();
  }

  #advance(): void {
    for (const pending of this.#pending) {
      if (pending.number <= this.#accepted) this.#use(pending);
      else {
        this.#sendProbe();
        if (this.#mayUseUnconfirmed(pending)) this.#useUnconfirmed(pending);
        return;
      }
    }
  }

  #sendProbe(): void {
    if (this.#probe || this.#probed === this.#made) return;
    const made = this.#made;
    const probe = connect(this.#address);
    this.#probe = probe;
    this.#probed = made;
    const onEnd = (): void => {
      timer.cancel();
      if (this.#probe !== probe) return;
      this.#accepted = Math.max(this.#accepted, made);
      this.#probe = undefined;
      probe.destroy();
      this.#advance();
    };
    let timer = systemClock.after(MAX_WAIT_MS, () => {
      this.#probe = undefined;
      probe.destroy();
      this.#advance();
    });
    let isMade = false;
    const onClose = (): void => {
      if (isMade || this.#probe !== probe) return onEnd();
      timer.cancel();
      timer = systemClock.after(RESET_MS, onEnd);
    };
    probe
      .on('error', () => undefined)
      .once('connect', () => (isMade = true))
      .once('data', onEnd)
      .once('close', onClose);
    probe.end();
  }

  /** Only one that is older than the probe: the backend could accept the probe instead of it. */
  #mayUseUnconfirmed({ hasWaited, number }: PendingConnection): boolean {
    return hasWaited && !this.#isOneUnconfirmed && number <= this.#probed;
  }

  #useUnconfirmed(pending: PendingConnection): void {
    const { socket, number } = pending;
    this.#isOneUnconfirmed = true;
    const end = (): void => {
      timer.cancel();
      socket.off('data', onData).off('close', end);
      this.#isOneUnconfirmed = false;
      this.#advance();
    };
    const onData = (): void => {
      this.#accepted = Math.max(this.#accepted, number);
      end();
    };
    const timer = systemClock.after(MAX_WAIT_MS, end);
    socket.once('data', onData).once('close', end);
    this.#use(pending);
  }

  #use(pending: PendingConnection): void {
    this.#remove(pending);
    // A reset may have arrived that Node has not read yet.
    if (isLive(pending.socket)) pending.use();
    else pending.socket.destroy();
  }

  #remove(pending: PendingConnection): void {
    pending.timer.cancel();
    this.#pending.delete(pending);
  }
}
