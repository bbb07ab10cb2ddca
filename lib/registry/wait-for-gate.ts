/**
 * Waits until a condition holds in all processes, or until this process rules it out.
 */
import type { Clock } from '../common/clock.ts';
import { waitFor, type WaitLimits } from '../common/wait.ts';
import type { OtherProcesses } from '../sharing/other-processes.ts';

export interface GateWait<T extends string> {
  /** The outcome that depends on all processes. Every other outcome ends the wait at once. */
  readonly goal: T;
  /** Returns an outcome that is known now. */
  readonly look: () => T | undefined;
  /** Calls back once with an outcome of this process. Returns a function that removes the callback. */
  readonly watchOwn: (callback: (outcome: T) => void) => () => void;
}

/** Resolves with `known` at once if there is nothing to wait for. Rejects only with the signal's reason. */
export function waitForGate<T extends string>(
  clock: Clock,
  others: OtherProcesses | undefined,
  limits: WaitLimits,
  known: T | undefined,
  { goal, look, watchOwn }: GateWait<T>,
): Promise<T | 'timeout'> {
  return waitFor<T>(clock, limits, known, (settle) => {
    const lookAgain = (): void => {
      const found = look();
      if (found !== undefined) settle(found);
    };
    const onOwn = (outcome: T): void => {
      unwatchOwn = watchOwn(onOwn);
      if (outcome === goal) lookAgain();
      else settle(outcome);
    };
    let unwatchOwn = watchOwn(onOwn);
    const unwatchOthers = others?.watch(lookAgain);
    return () => {
      unwatchOwn();
      unwatchOthers?.();
    };
  });
}
