/**
 * Starts a gateway and ends it with the process: SIGTERM, SIGINT and SIGHUP close it in good order, and
 * a second signal ends the process at once.
 */
import { constants } from 'node:os';
import {
  createGateway,
  type GatewayAddress,
  type GatewayConfig,
} from '../gateway/server/gateway.ts';
import type { Logger } from '../options/options.ts';
import { EXIT_FAILED } from './cli-error.ts';
import { endBySignal } from './signals.ts';

/** Standard output is for access lines alone. */
export const stderrLogger: Logger = {
  info: (message) => console.error(message),
  warn: (message) => console.error(message),
  error: (message) => console.error(message),
};

/** What asks a gateway to close. Without a listener each of them would end the process at once. */
export const CLOSING_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** @param closeMore what is to be closed after the gateway. */
export async function runGateway(
  config: GatewayConfig,
  closeMore: () => Promise<void> = async () => {},
): Promise<GatewayAddress> {
  const gateway = createGateway(config);
  endOnSignals(async () => {
    await gateway.close();
    await closeMore();
    return 0;
  });
  return gateway.listen();
}

/**
 * @param close what the first signal begins; resolves with the exit code.
 * @param endAtOnce what the second one needs beyond the end of this process.
 */
export function endOnSignals(
  close: () => Promise<number>,
  endAtOnce: () => void = () => undefined,
): void {
  let ending = false;
  const end = (signal: (typeof CLOSING_SIGNALS)[number]): void => {
    // The shell and the kernel both send one when a terminal is closed.
    if (ending && signal === 'SIGHUP') return;
    if (ending) {
      endAtOnce();
      // As if the signal had ended the process: 128 and its number.
      process.exit(128 + constants.signals[signal]);
    }
    ending = true;
    stderrLogger.info(`${signal}: closing; again ends at once.`);
    close().then(
      (code) => {
        if (signal === 'SIGHUP' && isOnTerminal()) endBySignal(signal);
        else process.exit(code);
      },
      (error: unknown) => {
        stderrLogger.error(String(error));
        process.exit(EXIT_FAILED);
      },
    );
  };
  for (const signal of CLOSING_SIGNALS) process.on(signal, () => end(signal));
}

function isOnTerminal(): boolean {
  return process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
}
