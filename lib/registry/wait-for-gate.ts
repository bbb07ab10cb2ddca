/**
 * Waiting for the end of a drain, or of a release, in one app: here, and in all other processes where
 * there are any. Knows no command.
 */
import type { Clock } from '../common/clock.ts';
import type { DrainOutcome } from '../gate/drain-watch.ts';
import type { Gate, ReleaseOutcome } from '../gate/gate.ts';
import type { DesiredKind } from '../gate/phase.ts';
import type { LostProcessStatus } from '../gate/status.ts';
import { waitFor, type WaitLimits } from '../common/wait.ts';

/** What is known of the other processes. */
export interface Elsewhere {
  /** Whether the store does not answer, so that no other process can be asked. */
  readonly isStoreLost: boolean;
  /** @param ignoresLost whether the store, while it does not answer, and silent processes don't count. */
  isDrainedElsewhere(app: string, ignoresLost: boolean): boolean;
  /** Processes that are not heard of, and may still send requests of an app to its backend. */
  missing(gate: Gate): readonly LostProcessStatus[];
  /** The missing processes have ended, as an operator says. */
  dismissMissing(gate: Gate): void;
  isOpenElsewhere(app: string): boolean;
  /** Asks them: one that has just come is not heard of otherwise. */
  refresh(): Promise<void>;
  /** Calls back whenever something may have changed. Returns what takes the callback off. */
  watch(callback: () => void): () => void;
}

export class GateWait {
  readonly #clock: Clock;
  readonly #elsewhere: Elsewhere | undefined;

  constructor(clock: Clock, elsewhere: Elsewhere | undefined) {
    this.#clock = clock;
    this.#elsewhere = elsewhere;
  }

  /**
   * Gives up with `lost` when only processes are left that can't be asked.
   *
   * @param ignoresLost whether missing processes are taken to have ended.
   */
  async drained(
    gate: Gate,
    limits: WaitLimits,
    ignoresLost = false,
  ): Promise<DrainOutcome | 'lost' | 'timeout'> {
    const look = (): 'drained' | 'lost' | undefined => {
      if (!gate.isDrained) return undefined;
      if (!this.#elsewhere) return 'drained';
      const { isStoreLost } = this.#elsewhere;
      if (isStoreLost && !ignoresLost) return 'lost';
      if (!this.#elsewhere.isDrainedElsewhere(gate.app, ignoresLost)) return undefined;
      return ignoresLost || this.#elsewhere.missing(gate).length === 0 ? 'drained' : 'lost';
    };
    if (this.#elsewhere) await this.#elsewhere.refresh();
    // It may have been resumed meanwhile.
    const now = gate.desiredKind === 'running' ? 'resumed' : look();
    const outcome = await waitFor<DrainOutcome | 'lost'>(
      this.#clock,
      limits,
      now,
      this.#until<DrainOutcome | 'lost'>('drained', look, (told) => gate.watchDrain(told)),
    );
    if (outcome === 'drained' && ignoresLost) this.#elsewhere?.dismissMissing(gate);
    return outcome;
  }

  async reopened(gate: Gate, limits: WaitLimits): Promise<ReleaseOutcome | 'timeout'> {
    const look = (): 'reopened' | undefined => {
      const isOpen = gate.isReopened && (this.#elsewhere?.isOpenElsewhere(gate.app) ?? true);
      return isOpen ? 'reopened' : undefined;
    };
    if (this.#elsewhere) await this.#elsewhere.refresh();
    return waitFor<ReleaseOutcome>(
      this.#clock,
      limits,
      look() ?? endOf(gate.desiredKind),
      this.#until<ReleaseOutcome>('reopened', look, (told) => gate.watchRelease(told)),
    );
  }

  /**
   * Tells what `look` finds, in whatever process it happens last; any outcome of this process other
   * than `aim` at once.
   *
   * @param watchOwn calls back once, and returns what takes the callback off.
   */
  #until<T extends string>(
    aim: T,
    look: () => T | undefined,
    watchOwn: (told: (outcome: T) => void) => () => void,
  ): (tell: (outcome: T) => void) => () => void {
    return (tell) => {
      const lookAgain = (): void => {
        const found = look();
        if (found !== undefined) tell(found);
      };
      const again = (outcome: T): void => {
        unwatch = watchOwn(again);
        if (outcome === aim) lookAgain();
        else tell(outcome);
      };
      let unwatch = watchOwn(again);
      const ignore = this.#elsewhere?.watch(lookAgain);
      return () => {
        unwatch();
        ignore?.();
      };
    };
  }
}

/** What ends the wait for a release before it begins. */
function endOf(intent: DesiredKind): 'paused' | 'stopped' | undefined {
  return intent === 'running' ? undefined : intent;
}
