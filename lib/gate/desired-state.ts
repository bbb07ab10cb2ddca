/**
 * The state that the operator wants an app to be in, and what each command makes of it.
 */
import { AntractError } from '../common/errors.ts';
import type { Actor } from './actor.ts';
import type { DesiredKind } from './phase.ts';

/** Times are on the clock of this process; `Infinity` means never. */
export interface DesiredState {
  readonly kind: DesiredKind;
  /** When this state began. */
  readonly since: number;
  /** When a pause or a stop ends by itself. A stop without `maxTime` has no end. */
  readonly until: number;
  /** When the pause ends unless its lease is renewed. */
  readonly leaseEnd: number;
  /** When the operator expects this state to end. It ends nothing. */
  readonly expectedEnd: number;
  /** The length of the lease; 0 without a lease. */
  readonly leaseMs: number;
  /** Identifies a pause. Random, so that no two processes or runs use the same id. */
  readonly pauseId?: string | undefined;
  /** Which requests a pause holds. Default: all. */
  readonly only?: 'writes' | undefined;
  /** Why the app is paused, or why it was stopped without a command. */
  readonly reason?: string | undefined;
  /** The message in the responses of a stopped app. */
  readonly message?: string | undefined;
  /** Who gave the command that led to this state. */
  readonly by?: Actor | undefined;
  /** What ended the previous pause or stop, if it ended by itself. */
  readonly endedBy?: 'maxTime' | 'lease' | undefined;
}

/** Durations are in milliseconds. */
export interface PauseTerms {
  /** `writes`: requests with a safe method pass, and a drain does not wait for them. */
  readonly only?: 'writes' | undefined;
  readonly maxTime?: number | undefined;
  /** 0 removes the lease. */
  readonly lease?: number | undefined;
  /** How long the pause is expected to last from now; 0 removes the expected end. */
  readonly expect?: number | undefined;
  readonly reason?: string | undefined;
}

export interface StopTerms {
  readonly maxTime?: number | undefined;
  /** As in {@link PauseTerms}. */
  readonly expect?: number | undefined;
  readonly message?: string | undefined;
  /** Why antract stops the app without a command. */
  readonly reason?: string | undefined;
}

interface CommandBase {
  /** Who gives the command. */
  readonly by?: Actor | undefined;
  /** The command applies only to the pause with this id, or only to a running app (`none`). */
  readonly ifPause?: string | undefined;
}

export interface EnableCommand extends CommandBase {
  readonly type: 'enable';
  readonly terms: PauseTerms;
  /** The id of the pause that this command may begin, see {@link newPauseId}. */
  readonly pauseId: string;
}

export interface DisableCommand extends CommandBase {
  readonly type: 'disable';
}

export interface StopCommand extends CommandBase {
  readonly type: 'stop';
  readonly terms: StopTerms;
}

export type Command = EnableCommand | DisableCommand | StopCommand;

export interface CommandContext {
  readonly app: string;
  /** `maxTime` limits a pause whose command names no limit. */
  readonly settings: { readonly maxTime: number };
  readonly now: number;
}

/**
 * Returns the state that a command leads to. If the app is in that kind of state already, only the terms
 * that the command names change.
 *
 * @throws AntractError `ERR_ANTRACT_ALREADY_PAUSED`, `ERR_ANTRACT_NOT_PAUSED`.
 */
export function applyCommand(
  state: DesiredState,
  command: Command,
  context: CommandContext,
): DesiredState {
  checkCondition(state, command, context.app);
  switch (command.type) {
    case 'enable':
      return paused(state, command, context);
    case 'disable':
      return state.kind === 'running' ? state : running(context.now, undefined, command.by);
    case 'stop':
      return stopped(state, command, context.now);
    default:
      return command satisfies never;
  }
}

/** Whether a command names terms that an operator should know of. A renewed lease is none. */
export function changesTerms(command: Command): boolean {
  if (command.type === 'disable') return false;
  const { lease: _lease, ...terms }: PauseTerms & StopTerms = command.terms;
  return Object.values(terms).some((term) => term !== undefined);
}

/** @param random from 0 to 1. */
export function newPauseId(random: number): string {
  return `p${Math.floor(random * 2 ** 52).toString(36)}`;
}

export function running(since: number, endedBy?: 'maxTime' | 'lease', by?: Actor): DesiredState {
  return { ...begin('running', since), endedBy, by };
}

/** Returns what has ended a state by now; undefined if it has not ended. */
export function endOf(
  { until, leaseEnd }: DesiredState,
  now: number,
): 'maxTime' | 'lease' | undefined {
  if (until <= now) return 'maxTime';
  return leaseEnd <= now ? 'lease' : undefined;
}

function paused(
  state: DesiredState,
  { terms: { maxTime, lease, expect, only, reason }, pauseId, ifPause, by }: EnableCommand,
  { now, settings }: CommandContext,
): DesiredState {
  const current =
    state.kind === 'paused'
      ? state
      : { ...begin('paused', now), until: now + settings.maxTime, pauseId, only, by };
  return {
    ...current,
    ...(maxTime !== undefined && { until: now + maxTime }),
    ...(lease !== undefined && { leaseEnd: lease > 0 ? now + lease : Infinity, leaseMs: lease }),
    ...expectedFrom(expect, now),
    ...(only !== undefined && ifPause !== undefined && { only }),
    ...(reason !== undefined && { reason }),
  };
}

function stopped(
  state: DesiredState,
  { terms: { maxTime, expect, message, reason }, by }: StopCommand,
  now: number,
): DesiredState {
  return {
    ...(state.kind === 'stopped' ? state : { ...begin('stopped', now), by }),
    ...(maxTime !== undefined && { until: now + maxTime }),
    ...expectedFrom(expect, now),
    ...(message !== undefined && { message }),
    ...(reason !== undefined && { reason }),
  };
}

function begin(kind: DesiredKind, since: number): DesiredState {
  return {
    kind,
    since,
    until: Infinity,
    leaseEnd: Infinity,
    expectedEnd: Infinity,
    leaseMs: 0,
  };
}

function expectedFrom(expect: number | undefined, now: number): Partial<DesiredState> {
  if (expect === undefined) return {};
  return { expectedEnd: expect > 0 ? now + expect : Infinity };
}

/**
 * One maintenance window may have ended and another begun between two commands of the same operator. With
 * `ifPause`, the second command then changes nothing instead of ending the pause of another operator.
 */
function checkCondition(state: DesiredState, command: Command, app: string): void {
  const { kind, pauseId } = state;
  const { ifPause } = command;
  if (ifPause === undefined) {
    if (command.type === 'enable') checkOnly(state, command.terms.only, app);
  } else if (ifPause === 'none') {
    if (kind === 'running') return;
    throw alreadyPaused(
      `App \`${app}\` is ${kind} already; two maintenance windows can't share a backend. Nothing was changed.`,
    );
  } else if (ifPause !== pauseId) {
    throw new AntractError(
      'ERR_ANTRACT_NOT_PAUSED',
      `The pause \`${ifPause}\` of app \`${app}\` has ended, and the app is ${kind}. Nothing was changed.`,
      { status: 409 },
    );
  }
}

/** An operator who takes a pause of writes for a pause of all requests would work on a backend in use. */
function checkOnly({ kind, only }: DesiredState, requested: PauseTerms['only'], app: string): void {
  if (kind !== 'paused' || only === requested) return;
  throw alreadyPaused(
    `App \`${app}\` is paused already, for ${only ?? 'all requests'}: end that pause first. Nothing was changed.`,
  );
}

function alreadyPaused(message: string): AntractError {
  return new AntractError('ERR_ANTRACT_ALREADY_PAUSED', message, { status: 409 });
}
