/**
 * When a fresh connection to a backend that may fall over is fit for a request. Knows no request.
 *
 * The kernel makes a connection before the backend accepts it, and resets it when the backend closes
 * its listener, or dies. A request that has been written by then is lost: nobody can tell whether it
 * was read. Nor does time tell that a connection was accepted, as a backend on a busy machine may come
 * to it late. But it accepts in the order in which they were made. So a scout is sent after them, a
 * connection that ends without having said anything. When the backend has ended it too, or the kernel
 * has, whatever was made before it is accepted, or is reset.
 */
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { systemClock, type Timer } from '../../common/clock.ts';
import { isLive } from './idle-sockets.ts';

/**
 * A backend with a thread for each connection may get to a scout only when others have been answered.
 * After this time the oldest goes ahead: the backend accepts that one first, if any.
 */
const AHEAD_MS = 250;

/** How long each waits, and is waited for: an answer may take for ever, as that to a long poll. */
const LONGEST_MS = 2000;

interface PendingConnection {
  readonly socket: Socket;
  readonly number: number;
  readonly use: () => void;
  hasWaited: boolean;
  timer: Timer;
}

export class AcceptCheck {
  readonly #where: NetConnectOpts;
  /** How many connections there have been. */
  #made = 0;
  /** As many of them are known to be accepted, or reset. */
  #accepted = 0;
  /** In the order in which they were made. */
  readonly #newcomers = new Set<PendingConnection>();
  #probeConnection: Socket | undefined;
  /** As many had been made before the last scout. */
  #scouted = 0;
  /** One has gone ahead, and is not answered yet. */
  #isAhead = false;

  constructor(where: NetConnectOpts) {
    this.#where = where;
  }

  /**
   * A connection was made. Calls `use` when it is fit for a request; destroys one that is found to
   * have ended by then. Returns what takes it out.
   */
  begin(socket: Socket, use: () => void): () => void {
    const timer = systemClock.after(AHEAD_MS, () => this.#onWaited(newcomer));
    const newcomer: PendingConnection = {
      socket,
      number: ++this.#made,
      use,
      hasWaited: false,
      timer,
    };
    this.#newcomers.add(newcomer);
    // One scout for all that are made at once.
    if (this.#newcomers.size === 1) systemClock.after(0, () => this.#advance());
    return () => this.#remove(newcomer);
  }

  close(): void {
    this.#probeConnection?.destroy();
  }

  #onWaited(newcomer: PendingConnection): void {
    newcomer.hasWaited = true;
    newcomer.timer = systemClock.after(LONGEST_MS - AHEAD_MS, () => this.#use(newcomer));
    this.#advance();
  }

  #advance(): void {
    for (const newcomer of this.#newcomers) {
      if (newcomer.number <= this.#accepted) this.#use(newcomer);
      else {
        this.#openProbeConnection();
        if (this.#mayGoAhead(newcomer)) this.#sendAhead(newcomer);
        return;
      }
    }
  }

  #openProbeConnection(): void {
    if (this.#probeConnection || this.#scouted === this.#made) return;
    const made = this.#made;
    const scout = connect(this.#where);
    this.#probeConnection = scout;
    this.#scouted = made;
    const onEnd = (): void => {
      if (this.#probeConnection !== scout) return;
      timer.cancel();
      this.#accepted = Math.max(this.#accepted, made);
      this.#probeConnection = undefined;
      scout.destroy();
      this.#advance();
    };
    const timer = systemClock.after(LONGEST_MS, () => {
      this.#probeConnection = undefined;
      scout.destroy();
      this.#advance();
    });
    scout
      .on('error', () => undefined)
      .once('data', onEnd)
      .once('close', onEnd);
    scout.end();
  }

  /** Not where the scout may be accepted first, and be one too many. */
  #mayGoAhead({ hasWaited, number }: PendingConnection): boolean {
    return hasWaited && !this.#isAhead && number <= this.#scouted;
  }

  #sendAhead(newcomer: PendingConnection): void {
    const { socket, number } = newcomer;
    this.#isAhead = true;
    const end = (): void => {
      timer.cancel();
      socket.off('data', onData).off('close', end);
      this.#isAhead = false;
      this.#advance();
    };
    const onData = (): void => {
      this.#accepted = Math.max(this.#accepted, number);
      end();
    };
    const timer = systemClock.after(LONGEST_MS, end);
    socket.once('data', onData).once('close', end);
    this.#use(newcomer);
  }

  #use(newcomer: PendingConnection): void {
    this.#remove(newcomer);
    // Its reset may be here, and not be read yet.
    if (isLive(newcomer.socket)) newcomer.use();
    else newcomer.socket.destroy();
  }

  #remove(newcomer: PendingConnection): void {
    newcomer.timer.cancel();
    this.#newcomers.delete(newcomer);
  }
}
