/** Turns errors into messages, exit codes and the JSON that `--json` prints. */
import { CommanderError } from 'commander';
import { AntractError, type AntractErrorCode } from '../common/errors.ts';
import { printableJson } from '../common/printable.ts';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_DRAIN_TIMEOUT = 3;
export const EXIT_PROBE_TIMEOUT = 4;

/** The arguments, the environment or the configuration file are wrong. Exit code 2. */
export class UsageError extends Error {}

/** A valid command failed. Its message needs no stack trace. */
export class CommandFailure extends Error {
  readonly exitCode: number;
  /** `ERR_ANTRACT_*`. A string, because a server of another version may have other codes. */
  readonly code: string;
  /** Printed beside the error with `--json`, such as the report of a run. */
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
  [EXIT_PROBE_TIMEOUT]: 'ERR_ANTRACT_PROBE_TIMEOUT',
};

export interface Failure {
  readonly exitCode: number;
  /** Undefined when Commander has printed it already. */
  readonly message?: string;
}

/** Printed on standard output when a command with `--json` fails. */
export function failureJson(error: unknown): string {
  const { exitCode, message = (error as Error).message.replace(/^error: /, '') } = toFailure(error);
  const details = error instanceof CommandFailure ? error.details : undefined;
  const code = failureCode(error);
  // The JSON has a field for the code, which the text ends with.
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
  // An unexpected error is a bug, so print its stack trace.
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
      return `Could not listen on ${where}: another program already uses it.`;
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
  if (port === undefined || port < 0) return address ?? path ?? 'the configured address';
  return `port ${port} of ${address}`;
}
