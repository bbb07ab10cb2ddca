/** The backends of a configuration, and whether they accept connections when the gateway starts. */
import type { Logger } from '../../common/logger.ts';
import { reasonInWords } from '../../gate/backend-status.ts';
import { connectFailure } from '../../gateway/config/backend-check.ts';
import { DEFAULT_APP } from '../../options/app-name.ts';
import { isRecord, type RawConfig } from '../config/read-flags.ts';

export interface Backend {
  readonly app: string;
  readonly target: string;
  /** The gateway asks a path of the backend at its start. */
  readonly isAsked: boolean;
}

/** @param config of gateways that listen, and so a valid one. */
export function backendsOf(config: RawConfig): Backend[] {
  const { target, apps } = config;
  const named = Object.entries(isRecord(apps) ? apps : {}).map(([app, options]) => {
    const own = options as RawConfig & { target: string };
    return { app, target: own.target, isAsked: hasPath(own) || hasPath(config) };
  });
  if (typeof target !== 'string') return named;
  return [{ app: DEFAULT_APP, target, isAsked: hasPath(config) }, ...named];
}

function hasPath({ healthCheckPath, probe }: RawConfig): boolean {
  return healthCheckPath !== undefined || (isRecord(probe) && probe['url'] !== undefined);
}

/** Connects to each backend once, unless the gateway asks it. Never rejects. */
export async function warnOfRefusals(
  backends: readonly Backend[],
  { warn }: Pick<Logger, 'warn'>,
): Promise<void> {
  const unasked = backends.filter(({ isAsked }) => !isAsked);
  await Promise.all(
    unasked.map(async ({ app, target }) => {
      const failure = await connectFailure(target);
      if (failure === undefined) return;
      warn(
        `WRN_ANTRACT_TARGET: app '${app}': The backend at ${target} is down: ` +
          `${reasonInWords(failure)}. It may still be starting.`,
      );
    }),
  );
}
