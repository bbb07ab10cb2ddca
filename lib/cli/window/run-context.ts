/**
 * What the steps of one `antract run` share, and how the run ends early.
 */
import type { Clock } from '../../common/clock.ts';
import type { AdminClient } from '../client/admin-client.ts';
import { CommandFailure, EXIT_HEALTH_TIMEOUT, failureJson } from '../cli-error.ts';
import type { RunReport } from './run-report.ts';
import type { Terminal } from '../terminal.ts';
import { endByHangup, exitCodeOf, type Interruption } from '../signals.ts';

/** Durations are in milliseconds. */
export interface RunOptions {
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
  readonly probeTimeout: number;
  readonly killAfter: number;
  readonly force: boolean;
  readonly tty: boolean;
  /** Whether standard output is for the report alone. */
  readonly json: boolean;
  /** What commands that are suggested need to reach the same server, such as `--url`. */
  readonly clientFlags: readonly string[];
}

export interface RunContext {
  readonly options: RunOptions;
  readonly client: AdminClient;
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly interruption: Interruption;
  /** Filled in as it goes. */
  readonly report: RunReport;
  /** Whether other processes share the pause through a store; known once there is a pause. */
  hasStore: boolean;
  readonly print: (line: string) => void;
}

/** The lease ends the pause then. */
export function exitAtOnce({ interruption, print, options, report }: RunContext): void {
  const text = 'leaving at once; a pause that is left ends by itself.';
  print(text);
  endByHangup(interruption);
  const exitCode = exitCodeOf(interruption.name ?? 'SIGTERM');
  report.exitCode = exitCode;
  report.outcome = 'interrupted';
  const failure = { code: 'ERR_ANTRACT_INTERRUPTED', details: report };
  if (options.json) console.log(failureJson(new CommandFailure(text, exitCode, failure)));
  process.exit(exitCode);
}

/** Thrown where it is not too late to go back. */
export function throwIfInterrupted({ interruption, report }: RunContext): void {
  if (interruption.name === undefined) return;
  report.outcome = 'interrupted';
  throw new CommandFailure(`Interrupted by ${interruption.name}.`, exitCodeOf(interruption.name), {
    code: 'ERR_ANTRACT_INTERRUPTED',
  });
}

export function isHealthTimeout(error: unknown): boolean {
  return error instanceof CommandFailure && error.exitCode === EXIT_HEALTH_TIMEOUT;
}
