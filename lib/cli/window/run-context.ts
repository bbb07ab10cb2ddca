/**
 * What the steps of one `antract run` share, and how the run ends early.
 */
import type { Clock } from '../../common/clock.ts';
import type { AdminClient } from '../client/admin-client.ts';
import { CommandFailure, EXIT_PROBE_TIMEOUT, failureJson } from '../cli-error.ts';
import type { RunReport } from './run-report.ts';
import type { Terminal } from '../terminal.ts';
import { endByHangup, exitCodeOf, type Interruption } from '../signals.ts';

/** Durations are in milliseconds, except `maxTime` and `expect`, which are sent as they were given. */
export interface RunOptions {
  readonly app: string;
  readonly command: readonly string[];
  readonly drainTimeout: number;
  readonly drainTries: number;
  readonly lost: 'ignore' | undefined;
  readonly lease: number;
  readonly maxTime: string | undefined;
  readonly expect: string | undefined;
  readonly only: string | undefined;
  readonly reason: string;
  readonly onFailure: 'resume' | 'stop' | 'keep';
  readonly probeTimeout: number;
  readonly killAfter: number;
  readonly force: boolean;
  readonly tty: boolean;
  /** Whether standard output is reserved for the report. */
  readonly json: boolean;
  /** Flags such as `--url`, which the commands in messages need to reach the same server. */
  readonly clientFlags: readonly string[];
}

export interface RunContext {
  readonly options: RunOptions;
  readonly client: AdminClient;
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly interruption: Interruption;
  /** Filled in step by step. */
  readonly report: RunReport;
  /** Whether the pause outlives its gateway, and other gateways may know it. Set when the pause begins. */
  isDurable: boolean;
  readonly print: (line: string) => void;
}

/** Exits without a call to the server; the lease ends the pause. */
export function exitAtOnce({ interruption, print, options, report }: RunContext): void {
  const text = 'exiting at once; if the app is still paused, the pause ends by itself.';
  print(text);
  endByHangup(interruption);
  const exitCode = exitCodeOf(interruption.name ?? 'SIGTERM');
  report.exitCode = exitCode;
  report.outcome = 'interrupted';
  const failure = { code: 'ERR_ANTRACT_INTERRUPTED', details: report };
  if (options.json) console.log(failureJson(new CommandFailure(text, exitCode, failure)));
  process.exit(exitCode);
}

/** Called before each step that a signal may still prevent. */
export function throwIfInterrupted({ interruption, report }: RunContext): void {
  if (interruption.name === undefined) return;
  report.outcome = 'interrupted';
  throw new CommandFailure(`Interrupted by ${interruption.name}.`, exitCodeOf(interruption.name), {
    code: 'ERR_ANTRACT_INTERRUPTED',
  });
}

export function isProbeTimeout(error: unknown): boolean {
  return error instanceof CommandFailure && error.exitCode === EXIT_PROBE_TIMEOUT;
}
