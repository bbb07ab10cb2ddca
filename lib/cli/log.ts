/** The messages of `serve`, on standard error. Standard output is reserved for the access log. */
import { isoTime, systemClock } from '../common/clock.ts';
import type { Logger, LogRecord } from '../common/logger.ts';
import { printableJson } from '../common/printable.ts';

let isJson = false;

export type LogFormat = 'auto' | 'json' | 'pretty';

/** Sets the format of all messages of this process from now on. Only `json` is JSON: `auto` is about the access log. */
export function setLogFormat(format: LogFormat): void {
  isJson = format === 'json';
}

export type CliLogger = Logger & Required<Pick<Logger, 'record'>>;

/** @param prefix of text; a line of JSON has the process ID instead. */
export function createCliLogger(prefix = ''): CliLogger {
  const log = (level: Level, message: string, fields: LogRecord['fields'] = {}): void => {
    console.error(isJson ? jsonLine(level, message, fields) : `${prefix}${message}`);
  };
  return {
    info: (message) => log('info', message),
    warn: (message) => log('warn', message),
    error: (message) => log('error', message),
    record: ({ level, message, fields }) => log(level, message, fields),
  };
}

export const stderrLogger: CliLogger = createCliLogger();

type Level = 'info' | 'warn' | 'error';

function jsonLine(level: Level, text: string, fields: LogRecord['fields']): string {
  const [, code, message = text] = /^((?:WRN|ERR)_ANTRACT_\w+): ([^]*)$/.exec(text) ?? [];
  const time = isoTime(systemClock.date());
  const { pid } = process;
  return printableJson({ time, level, ...fields, ...(code && { code }), message, pid });
}
