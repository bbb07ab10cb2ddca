/**
 * What `antract run` says once when it fails: what happened, what clients see now, and what to do.
 */
import { constants } from 'node:os';
import { DEFAULT_APP } from '../../registry/pause-registry.ts';
import { formatMs } from '../../common/format-duration.ts';
import { CommandFailure, explain, failureCode } from '../cli-error.ts';
import { readSnapshot, type AppSnapshot } from '../client/snapshot.ts';
import type { Window, WindowOptions } from './window-context.ts';
import { count } from '../format-status.ts';

const ANSWER_TIME = 2000;

/** Completes the report, and makes the failure that ends the process. */
export async function describeFailure(window: Window, error: unknown): Promise<CommandFailure> {
  const { report } = window;
  const { exitCode, message = String(error) } = explain(error);
  report.exitCode = exitCode;
  const hasPaused = report.drainTries > 0;
  const now = hasPaused ? await askNow(window) : undefined;
  if (hasPaused && !now) report.stillHeld = null;
  if (now && report.outcome !== 'pause lost') addStillHeld(window, now);
  const parts = [
    whatHappened(window, message),
    ...(report.commandExitCode === null ? [`${report.command} was not run.`] : []),
    ...(hasPaused ? [describeNow(window, now)] : []),
  ];
  return new CommandFailure(parts.join(' '), exitCode, {
    cause: error,
    code: failureCode(error),
    details: report,
  });
}

async function askNow({ client, options }: Window): Promise<AppSnapshot | undefined> {
  try {
    const call = { timeout: ANSWER_TIME };
    return readSnapshot((await client.call('status', { app: options.app }, call)).body);
  } catch (error) {
    if (error instanceof CommandFailure) return undefined;
    throw error;
  }
}

/** Requests that still wait have no ended wait in the server's report yet. */
function addStillHeld({ report }: Window, { held, oldestHoldMs }: AppSnapshot): void {
  report.stillHeld = held;
  if (oldestHoldMs !== null) {
    report.longestHoldMs = Math.max(report.longestHoldMs ?? 0, oldestHoldMs);
  }
}

function whatHappened({ report }: Window, message: string): string {
  const { command, commandExitCode: code, commandMs, outcome } = report;
  if (code === null || outcome === 'done') return message;
  const after = commandMs === null ? '' : ` after ${formatMs(commandMs)}`;
  switch (outcome) {
    case 'command failed':
      return `${command} failed with exit code ${codeText(code)}${after}.`;
    case 'interrupted':
      return `${message} ${command} ended with exit code ${codeText(code)}${after}.`;
    case 'health timed out':
      return `${command} was done, but not every client is served again.`;
    case 'failed':
      return `${command} ended with exit code ${codeText(code)}${after}. ${message}`;
    default:
      return message;
  }
}

/** As a shell gives it: 128 and the number of the signal that ended the command. */
function codeText(code: number): string {
  const names = Object.entries(constants.signals);
  const [name] = names.find(([, number]) => code === 128 + number) ?? [];
  return name === undefined ? String(code) : `${code} (${name})`;
}

function describeNow({ options }: Window, now: AppSnapshot | undefined): string {
  const command = (name: string): string => `\`${commandFor(name, options)}\``;
  if (!now) {
    return `antract does not answer, so what clients see is not known; a pause ends within ${formatMs(options.lease)}. Next: ${command('status')}.`;
  }
  const { app, phase, held, endsInMs, lastSeen, healthEndsInMs } = now;
  const requests = `${count(held, 'request')} to ${app} ${held === 1 ? 'is' : 'are'}`;
  const atMost = (ms: number | null): string =>
    ms === null ? '' : `, for another ${formatMs(ms)} at most`;
  switch (phase) {
    case 'running':
      return `Requests to ${app} reach the backend again. Next: ${command('pause')} holds them, ${command('stop')} answers 503.`;
    case 'releasing': {
      const why =
        healthEndsInMs === null
          ? ''
          : `: the backend does not answer (${lastSeen ?? 'no answer yet'})`;
      return `${requests} still held${why}${atMost(healthEndsInMs)}. Next: ${command('status --watch')} shows when they are out, ${command('stop')} answers 503.`;
    }
    case 'pausing':
    case 'paused':
      return `${app} is STILL PAUSED: ${count(held, 'request')} held${atMost(endsInMs)}. Next: ${command('resume')} releases them, ${command('stop')} answers 503.`;
    case 'stopped':
      return `${app} is STOPPED: clients get 503. Next: ${command('resume')} lets requests through, ${command('pause')} holds them.`;
    default:
      return phase satisfies never;
  }
}

function commandFor(name: string, { app, clientFlags }: WindowOptions): string {
  const words = [...(app === DEFAULT_APP ? [] : [app]), ...clientFlags].map(quote);
  return ['antract', name, ...words].join(' ');
}

/** As a shell needs it. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
