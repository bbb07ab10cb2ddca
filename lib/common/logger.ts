/** A log message with fields, for a log that programs read. */
export interface LogRecord {
  /** How important the message is. */
  readonly level: 'info' | 'warn';
  /** The message as one sentence or several. */
  readonly message: string;
  /** The same facts by name. Texts may come from clients, and are not escaped. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Receives the log messages of antract. `console` is a logger. */
export interface Logger {
  /** Logs a message for debugging. */
  debug?(message: string): void;
  /** Logs a message for information. */
  info(message: string): void;
  /** Logs a warning. */
  warn(message: string): void;
  /** Logs an error. */
  error(message: string): void;
  /** Logs a message with fields. If a logger has no such method, it gets the message alone. */
  record?(record: LogRecord): void;
}
