/** Announces once, in every process, that the backend of an app is down, and that it answers again. */
import type { Clock } from '../common/clock.ts';
import type { BackendDownEvent, EmitEvent } from '../gate/events.ts';
import type { Gate } from '../gate/gate.ts';
import type { Sharing } from '../sharing/sharing.ts';
import type { Gates } from './gates.ts';

export interface BackendWatchDeps {
  readonly clock: Clock;
  readonly gates: Pick<Gates, 'allows' | 'peek'>;
  readonly sharing: Sharing | undefined;
  readonly announce: EmitEvent;
}

export class BackendWatch {
  readonly #deps: BackendWatchDeps;
  /** Since when each backend is down that was announced as down. */
  readonly #down = new Map<string, number>();

  constructor(deps: BackendWatchDeps) {
    this.#deps = deps;
    const { sharing } = deps;
    sharing?.others.watch(() => {
      for (const app of new Set([...this.#down.keys(), ...sharing.others.appsDown])) {
        this.check(app, 'process');
      }
    });
  }

  /** The state of the backend may have changed. While it is unknown, nothing is announced. */
  check(app: string, seenBy: BackendDownEvent['seenBy']): void {
    const { clock, gates, announce } = this.#deps;
    if (!gates.allows(app)) return;
    const gate = gates.peek(app);
    const since = this.#down.get(app);
    // Most answers follow no outage. To join the statuses of all processes would delay a release by 0.5 ms.
    if (seenBy !== 'process' && since === undefined && !gate.backend.isDown) return;
    const { state, reason, forMs } = this.#backendOf(gate);
    if (state === 'down' && since === undefined) {
      this.#down.set(app, clock.now() - (forMs ?? 0));
      announce('backendDown', { app, reason, seenBy });
    } else if (state === 'up' && since !== undefined) {
      this.#down.delete(app);
      announce('backendUp', { app, downForMs: Math.round(clock.now() - since) });
    }
  }

  forget(app: string): void {
    this.#down.delete(app);
  }

  #backendOf(gate: Gate) {
    const { sharing } = this.#deps;
    return (sharing ? sharing.status(gate) : gate.status()).backend;
  }
}
