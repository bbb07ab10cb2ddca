/**
 * Starts a gateway and ends it with the process: SIGTERM and SIGINT close it in good order, a second
 * one ends the process at once. Knows no flag.
 */
import { constants } from 'node:os';
import { createGateway, type GatewayAddress, type GatewayConfig } from '../gateway.ts';
import type { Logger } from '../options.ts';
import { EXIT_FAILED } from './failure.ts';

/** Standard output is for access lines alone. */
export const stderrLogger: Logger = {
  info: (message) => console.error(message),
  warn: (message) => console.error(message),
  error: (message) => console.error(message),
};

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** @param closeMore what is to be closed after the gateway. */
export async function runGateway(
  config: GatewayConfig,
  closeMore: () => Promise<void> = async () => {},
): Promise<GatewayAddress> {
  const gateway = createGateway(config);
  let ending = false;
  const end = (signal: (typeof SIGNALS)[number]): void => {
    // As if the signal had ended the process: 128 and its number.
    if (ending) process.exit(128 + constants.signals[signal]);
    ending = true;
    stderrLogger.info(`${signal}: closing; again ends at once.`);
    gateway
      .close()
      .then(closeMore)
      .then(
        () => process.exit(0),
        (error: unknown) => {
          stderrLogger.error(String(error));
          process.exit(EXIT_FAILED);
        },
      );
  };
  for (const signal of SIGNALS) process.on(signal, () => end(signal));
  return gateway.listen();
}
