/**
 * Errors as sentences and exit codes: 1 when it could not be done, 2 when it was asked for wrongly,
 * and what a command says beyond that. Knows no command.
 */
import { CommanderError } from 'commander';
import { AntractError, type AntractErrorCode } from '../common/errors.ts';
import { printableJson } from '../common/printable.ts';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_DRAIN_TIMEOUT = 3;
export const EXIT_HEALTH_TIMEOUT = 4;

/** What was asked for makes no sense; its message is for people. */
export class UsageError extends Error {}

/** It was asked for rightly and could not be done; its message is for people. */
export class CommandFailure extends Error {
  readonly exitCode: number;
  /** `ERR_ANTRACT_*`; a server of another version may have codes that are not known here. */
  readonly code: string;
  /** What `--json` prints beside the error, such as a report. */
  readonly details: object | undefined;

  constructor(message: string, exitCode: number = EXIT_FAILED, options: FailureOptions = {}) {
    super(message, options);
    this.exitCode = exitCode;
    this.code = options.code ?? CODES[exitCode] ?? 'ERR_ANTRACT_FAILED';
    this.details = options.details;
  }
}

export interface FailureOptions extends ErrorOptions {
  readonly code?: string;
  readonly details?: object;
}

const CODES: Readonly<Record<number, AntractErrorCode>> = {
  [EXIT_USAGE]: 'ERR_ANTRACT_OPTION',
  [EXIT_DRAIN_TIMEOUT]: 'ERR_ANTRACT_DRAIN_TIMEOUT',
  [EXIT_HEALTH_TIMEOUT]: 'ERR_ANTRACT_HEALTH_TIMEOUT',
};

export interface Failure {
  readonly exitCode: number;
  /** Undefined when it has been said already. */
  readonly message?: string;
}

/** What `--json` prints on standard output when a command fails. */
export function failureJson(error: unknown): string {
  const { exitCode, message = (error as Error).message.replace(/^error: /, '') } = toFailure(error);
  const details = error instanceof CommandFailure ? error.details : undefined;
  const code = failureCode(error);
  // The text ends with the code, which JSON has in a field of its own.
  const sentence = message.replaceAll(` (${code})`, '');
  return printableJson({ ...details, error: { code, message: sentence, exitCode } });
}

export function failureCode(error: unknown): string {
  if (error instanceof AntractError || error instanceof CommandFailure) return error.code;
  const isUsage = error instanceof CommanderError || error instanceof UsageError;
  return isUsage ? 'ERR_ANTRACT_OPTION' : 'ERR_ANTRACT_FAILED';
}

export function toFailure(error: unknown): Failure {
  if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? 0 : EXIT_USAGE };
  if (error instanceof UsageError || error instanceof AntractError) {
    return { exitCode: EXIT_USAGE, message: error.message };
  }
  if (error instanceof CommandFailure) return { exitCode: error.exitCode, message: error.message };
  if (isSystemError(error)) return { exitCode: EXIT_FAILED, message: systemErrorText(error) };
  // Nobody foresaw it, so whoever looks into it needs all there is.
  return {
    exitCode: EXIT_FAILED,
    message: error instanceof Error ? String(error.stack) : String(error),
  };
}

interface SystemError extends NodeJS.ErrnoException {
  address?: string;
  port?: number;
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'syscall' in error;
}

function systemErrorText(error: SystemError): string {
  const where = addressText(error);
  switch (error.code) {
    case 'EADDRINUSE':
      return `Could not listen on ${where}: another program does.`;
    case 'EACCES':
    case 'EPERM':
      return `Could not listen on ${where}: permission denied.`;
    case 'EADDRNOTAVAIL':
      return `Could not listen on ${where}: this machine has no such address.`;
    default:
      return error.message;
  }
}

function addressText({ address, path, port }: SystemError): string {
  if (port === undefined || port < 0) return address ?? path ?? 'the address asked for';
  return `port ${port} of ${address}`;
}
