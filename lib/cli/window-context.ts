/**
 * What the parts of one maintenance window share: options, tools, and leaving early. Knows no step.
 */
import type { Clock } from '../clock.ts';
import type { AdminClient } from './admin-client.ts';
import { CommandFailure, EXIT_HEALTH_TIMEOUT } from './failure.ts';
import type { RunReport } from './run-report.ts';
import type { Screen } from './screen.ts';
import { endByHangup, exitCodeOf, type Leaving } from './signals.ts';

/** Durations are in milliseconds. */
export interface WindowOptions {
  readonly app: string;
  readonly command: readonly string[];
  readonly drainTimeout: number;
  readonly drainTries: number;
  readonly lost: 'ignore' | undefined;
  readonly lease: number;
  readonly maxTime: string | undefined;
  readonly only: string | undefined;
  readonly reason: string;
  readonly onFailure: 'resume' | 'stop' | 'keep';
  readonly healthTimeout: number;
  readonly killAfter: number;
  readonly force: boolean;
  readonly tty: boolean;
  readonly outputToStderr: boolean;
}

export interface Window {
  readonly options: WindowOptions;
  readonly client: AdminClient;
  readonly screen: Screen;
  readonly clock: Clock;
  readonly leaving: Leaving;
  /** Filled in as it goes. */
  readonly report: RunReport;
  readonly say: (line: string) => void;
}

/** The lease ends the pause then. */
export function leaveAtOnce({ leaving, say }: Window): void {
  say('leaving at once; a pause that is left ends by itself.');
  endByHangup(leaving);
  process.exit(exitCodeOf(leaving.name ?? 'SIGTERM'));
}

/** Thrown where it is not too late to go back. */
export function refuseWhenLeaving({ leaving, report }: Window): void {
  if (leaving.name === undefined) return;
  report.outcome = 'interrupted';
  throw new CommandFailure(`${leaving.name}: leaving.`, exitCodeOf(leaving.name));
}

export function isHealthTimeout(error: unknown): boolean {
  return error instanceof CommandFailure && error.exitCode === EXIT_HEALTH_TIMEOUT;
}
