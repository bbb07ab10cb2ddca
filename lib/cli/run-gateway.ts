/**
 * Runs a gateway until a signal: SIGTERM or SIGINT closes it gracefully, and a second one ends the process
 * at once. SIGHUP reloads a gateway that has workers, unless it runs on a terminal.
 */
import { constants } from 'node:os';
import type { GatewayAddress, GatewayConfig } from '../gateway/server/gateway.ts';
import { EXIT_FAILED } from './cli-error.ts';
import { flushOutput } from './flush-output.ts';
import { stderrLogger } from './log.ts';
import { endBySignal } from './signals.ts';

/** The signals that close a gateway. Without a listener, each of them ends the process at once. */
export const CLOSING_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

type ClosingSignal = (typeof CLOSING_SIGNALS)[number];

/** @param closeMore called after the gateway has closed. */
export async function runGateway(
  config: GatewayConfig,
  closeMore: () => Promise<void> = async () => {},
): Promise<GatewayAddress> {
  // Loaded only where it is used: the primary and all other commands start without it.
  const { createGateway } = await import('../gateway/server/gateway.ts');
  const gateway = createGateway(config);
  const unlessClosing = endOnSignals(async () => {
    await gateway.close();
    await closeMore();
    return 0;
  });
  return unlessClosing(gateway.listen());
}

export interface SignalListener {
  /** Called on the second signal, before the process exits. */
  readonly beforeExit?: () => void;
  /**
   * Called on SIGHUP, unless the process is on a terminal, where SIGHUP means that the terminal was closed.
   * Without it, SIGHUP closes the gateway.
   */
  readonly reload?: () => Promise<void>;
}

/**
 * @param close called on the first signal; resolves with the exit code.
 * @returns a function for the start of the process. A signal makes a start that has not finished fail. That
 *   failure must not decide the exit code, so the returned promise stays pending from the first signal on.
 */
export function endOnSignals(
  close: () => Promise<number>,
  { beforeExit, reload }: SignalListener = {},
): <T>(start: Promise<T>) => Promise<T> {
  let isClosing = false;
  const exit = async (signal: ClosingSignal): Promise<void> => {
    const code = await close().catch((error: unknown) => {
      stderrLogger.error(String(error));
      return EXIT_FAILED;
    });
    await flushOutput(process.stdout);
    if (signal === 'SIGHUP' && isOnTerminal()) endBySignal(signal);
    else process.exit(code);
  };
  const end = (signal: ClosingSignal): void => {
    // When a terminal is closed, the shell and the kernel each send a SIGHUP.
    if (isClosing && signal === 'SIGHUP') return;
    if (isClosing) {
      beforeExit?.();
      // The exit code that a shell shows for a process that a signal ended.
      process.exit(128 + constants.signals[signal]);
    }
    if (reload && signal === 'SIGHUP' && !isOnTerminal()) {
      stderrLogger.info('SIGHUP: reloading.');
      void reload();
      return;
    }
    isClosing = true;
    stderrLogger.info(`${signal}: closing; a second signal ends the process at once.`);
    void exit(signal);
  };
  for (const signal of CLOSING_SIGNALS) process.on(signal, () => end(signal));
  return (start) =>
    new Promise((resolve, reject) => {
      start.then(
        (value) => isClosing || resolve(value),
        (error: Error) => isClosing || reject(error),
      );
    });
}

function isOnTerminal(): boolean {
  return process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
}
