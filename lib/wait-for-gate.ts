/**
 * Waiting for the end of a drain, or of a release, in one app: here, and in all other processes where
 * there are any. Knows no command.
 */
import type { Clock } from './clock.ts';
import type { DrainOutcome } from './drain-watch.ts';
import type { Gate, ReopenOutcome } from './gate.ts';
import type { Intent } from './phase.ts';
import { waitFor, type WaitLimits } from './wait.ts';

/** What is known of the other processes. */
export interface Elsewhere {
  isDrainedElsewhere(app: string): boolean;
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

  async drained(gate: Gate, limits: WaitLimits): Promise<DrainOutcome | 'timeout'> {
    const isDrained = (): boolean =>
      gate.isDrained && (this.#elsewhere?.isDrainedElsewhere(gate.app) ?? true);
    if (this.#elsewhere) await this.#elsewhere.refresh();
    // It may have been resumed meanwhile.
    const now = gate.intent === 'running' ? 'resumed' : isDrained() ? 'drained' : undefined;
    return waitFor<DrainOutcome>(
      this.#clock,
      limits,
      now,
      this.#until<DrainOutcome>('drained', isDrained, (told) => gate.watchDrain(told)),
    );
  }

  async reopened(gate: Gate, limits: WaitLimits): Promise<ReopenOutcome | 'timeout'> {
    const isOpen = (): boolean =>
      gate.isReopened && (this.#elsewhere?.isOpenElsewhere(gate.app) ?? true);
    if (this.#elsewhere) await this.#elsewhere.refresh();
    return waitFor<ReopenOutcome>(
      this.#clock,
      limits,
      isOpen() ? 'reopened' : endOf(gate.intent),
      this.#until<ReopenOutcome>('reopened', isOpen, (told) => gate.watchReopen(told)),
    );
  }

  /**
   * Tells `aim` once it holds everywhere, whoever comes as far last, and any other outcome at once.
   *
   * @param watchOwn calls back once, and returns what takes the callback off.
   */
  #until<T extends string>(
    aim: T,
    holds: () => boolean,
    watchOwn: (told: (outcome: T) => void) => () => void,
  ): (tell: (outcome: T) => void) => () => void {
    return (tell) => {
      const look = (): void => {
        if (holds()) tell(aim);
      };
      const again = (outcome: T): void => {
        unwatch = watchOwn(again);
        if (outcome === aim) look();
        else tell(outcome);
      };
      let unwatch = watchOwn(again);
      const ignore = this.#elsewhere?.watch(look);
      return () => {
        unwatch();
        ignore?.();
      };
    };
  }
}

/** What ends the wait for a release before it begins. */
function endOf(intent: Intent): 'paused' | 'stopped' | undefined {
  return intent === 'running' ? undefined : intent;
}
