/** The message of a failed `antract run`: what happened, what clients see now, and what to do next. */
import { constants } from 'node:os';
import { DEFAULT_APP } from '../../options/app-name.ts';
import { formatCount, formatMs } from '../../common/format.js';
import { CommandFailure, toFailure, failureCode } from '../cli-error.ts';
import { fetchStatus, type RunReport } from './run-report.ts';
import type { AppSnapshot } from '../client/snapshot.ts';
import { GivenUpError } from '../client/wait-until-back.ts';
import type { RunContext, RunOptions } from './run-context.ts';
import { behindText, clause } from '../format-status.ts';

/** Completes the report and returns the error that ends the process. */
export async function describeFailure(
  context: RunContext,
  error: unknown,
): Promise<CommandFailure> {
  const { report } = context;
  const { exitCode, message = String(error) } = toFailure(error);
  report.exitCode = exitCode;
  const hasPaused = report.drainTries > 0;
  const now = hasPaused ? await fetchStatus(context.client, context.options.app) : undefined;
  if (hasPaused && (!now || now.isStoreLost)) clearCounts(report);
  else if (now && report.outcome !== 'pause lost') addStillHeld(context, now);
  const sentences = [whatHappened(context, message, error), ...report.problems];
  const parts = [
    ...sentences.filter((one, i) => !isRepeated(one, i, sentences)),
    ...(report.commandExitCode === null ? [`${report.command} was not run.`] : []),
    ...(hasPaused ? [describeNow(context, now)] : []),
  ];
  return new CommandFailure(parts.join(' '), exitCode, {
    cause: error,
    code: failureCode(error),
    details: report,
  });
}

/** Whether another sentence contains this one, or an earlier one equals it. */
function isRepeated(sentence: string, index: number, all: readonly string[]): boolean {
  return all.some(
    (other, i) => i !== index && other.includes(sentence) && (i < index || other !== sentence),
  );
}

/** Without the server or its store, the counts of other processes are unknown. */
function clearCounts(report: RunReport): void {
  for (const name of ['held', 'released', 'abandoned', 'rejected', 'stillHeld'] as const) {
    report[name] = null;
  }
  report.longestHoldMs = null;
  report.medianHoldMs = null;
}

/** The report of the server covers only waits that have ended. */
function addStillHeld({ report }: RunContext, { held, oldestHoldMs }: AppSnapshot): void {
  report.stillHeld = held;
  if (oldestHoldMs !== null) {
    report.longestHoldMs = Math.max(report.longestHoldMs ?? 0, oldestHoldMs);
  }
}

function whatHappened({ options, report }: RunContext, message: string, error: unknown): string {
  const { command, commandExitCode: code, commandMs, outcome } = report;
  if (code === null || outcome === 'done') return message;
  const after = commandMs === null ? '' : ` after ${formatMs(commandMs)}`;
  switch (outcome) {
    case 'command failed':
      return `${command} failed with exit code ${codeText(code)}${after}.`;
    case 'interrupted':
      return `${message} ${command} ended with exit code ${codeText(code)}${after}.`;
    case 'probe timed out':
      if (error instanceof GivenUpError) return `${command} succeeded. ${message}`;
      return `${command} succeeded, but the app was not running again within ${formatMs(options.probeTimeout)}.`;
    case 'store lost':
      return `${command} succeeded, but some gateways may not have resumed.`;
    case 'failed':
      return `${command} ended with exit code ${codeText(code)}${after}. ${message}`;
    default:
      return message;
  }
}

/** Names the signal for an exit code above 128, such as `143 (SIGTERM)`. */
function codeText(code: number): string {
  const names = Object.entries(constants.signals);
  const [name] = names.find(([, number]) => code === 128 + number) ?? [];
  return name === undefined ? String(code) : `${code} (${name})`;
}

function describeNow(context: RunContext, now: AppSnapshot | undefined): string {
  const { options } = context;
  const command = (name: string): string => `\`${commandFor(name, options)}\``;
  if (!now) return describeNoAnswer(context, command('status'));
  const behind = behindText(now);
  const state = stateText(now, behind !== undefined);
  if (behind === undefined) return `${state} Next: ${nextText(now, command)}`;
  const repair = now.isStoreLost
    ? 'bring the store back'
    : 'restart these processes, or repair their connection to the store';
  const name = now.phase === 'stopped' ? 'stop' : 'resume';
  // Each gateway has a URL of its own.
  const each = commandFor(name, { ...options, clientFlags: [] });
  return `${state} ${behind} Next: ${repair}, or run \`${each}\` at each gateway (--url).`;
}

function describeNoAnswer({ isDurable }: RunContext, status: string): string {
  const others = isDurable ? ' Other gateways may still hold requests.' : '';
  return `antract does not answer, so what clients see is unknown.${others} Next: start the gateway if it does not run, then run ${status}.`;
}

/**
 * What clients see.
 *
 * @param isHere whether this is known only of this gateway, because others may not have followed.
 */
function stateText(now: AppSnapshot, isHere: boolean): string {
  const { app, phase, held, endsInMs } = now;
  const here = isHere ? ' at this gateway' : '';
  switch (phase) {
    case 'running':
      return runningText(now, isHere);
    case 'releasing':
      return releasingText(now, here);
    case 'pausing':
    case 'paused':
      return `${app} is STILL PAUSED${here}: ${formatCount(held, 'request')} held${atMost(endsInMs)}.`;
    case 'stopped':
      return `${app} is STOPPED${here}: clients get 503.`;
    default:
      return phase satisfies never;
  }
}

function runningText({ app, backend: { summary, next } }: AppSnapshot, isHere: boolean): string {
  if (summary !== null) {
    const passed = isHere ? `This gateway passes requests to ${app}` : `Requests to ${app} pass`;
    return `${passed}, but ${clause(summary)}.${next === null ? '' : ` ${next}`}`;
  }
  return isHere
    ? `This gateway passes requests to ${app} to the backend.`
    : `Requests to ${app} reach the backend again.`;
}

function releasingText(now: AppSnapshot, here: string): string {
  const { app, held, lastSeen, probeEndsInMs } = now;
  const isWaiting = probeEndsInMs !== null;
  const why = isWaiting ? `the backend does not answer (${lastSeen ?? 'no answer yet'})` : '';
  if (held === 0 && isWaiting) {
    return `New requests to ${app} are held${here}: ${why}${atMost(probeEndsInMs)}.`;
  }
  const are = held === 1 ? 'is' : 'are';
  const requests = `${formatCount(held, 'request')} to ${app} ${are} still held${here}`;
  return `${requests}${isWaiting ? `: ${why}` : ''}${atMost(probeEndsInMs)}.`;
}

function atMost(ms: number | null): string {
  return ms === null ? '' : `, for another ${formatMs(ms)} at most`;
}

function nextText({ phase }: AppSnapshot, command: (name: string) => string): string {
  switch (phase) {
    case 'running':
      return `${command('pause')} holds them, ${command('stop')} answers 503.`;
    case 'releasing':
      return `${command('status --watch')} shows when they are released, ${command('stop')} answers 503.`;
    case 'pausing':
    case 'paused':
      return `${command('resume')} releases them, ${command('stop')} answers 503.`;
    case 'stopped':
      return `${command('resume')} lets requests through, ${command('pause')} holds them.`;
    default:
      return phase satisfies never;
  }
}

function commandFor(
  name: string,
  { app, clientFlags }: Pick<RunOptions, 'app' | 'clientFlags'>,
): string {
  const words = [...(app === DEFAULT_APP ? [] : [app]), ...clientFlags].map(quote);
  return ['antract', name, ...words].join(' ');
}

/** Quotes a word for the shell. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
