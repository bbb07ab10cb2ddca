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
}
