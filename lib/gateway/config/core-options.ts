/**
 * The options for the core (`createAntract()`): the user's options, and where each backend is, which only
 * the gateway knows. The core validates them.
 */
import type { AntractOptions, AppOptions } from '../../options/options.ts';
import { isPlainObject } from '../../common/validate.ts';
import { backendCheck } from './backend-check.ts';
import { DEFAULT_CORE_OPTIONS, type RouteSettings } from './config.ts';

export interface NamedApp {
  readonly name: string;
  readonly route: RouteSettings;
  readonly options: AppOptions;
}

/**
 * @param given the options at the top level, which are the defaults for each app.
 * @param main the backend at the top level, if there is one.
 */
export function readCoreOptions(
  given: AntractOptions,
  main: RouteSettings | undefined,
  apps: readonly NamedApp[],
): AntractOptions {
  const { holdOnOutage, ...top } = withStrategy({ ...DEFAULT_CORE_OPTIONS, ...given });
  const complete = (route: RouteSettings, options: AppOptions): AppOptions => ({
    holdOnOutage,
    ...withStrategy(options),
    probe:
      hasCheck(options.probe) || hasCheck(top.probe)
        ? options.probe
        : {
            ...options.probe,
            check: backendCheck(route, options.healthCheckPath ?? top.healthCheckPath),
          },
  });
  // No default check at the top level fits several backends.
  const shared = hasCheck(top.probe) ? { ...top, holdOnOutage } : top;
  return {
    ...(main ? complete(main, top) : shared),
    apps: Object.fromEntries(apps.map((app) => [app.name, complete(app.route, app.options)])),
  };
}

/** True also for a `probe` that is not valid: the core refuses it. */
function hasCheck(probe: unknown): boolean {
  if (probe === undefined) return false;
  if (!isPlainObject(probe)) return true;
  return ['url', 'connect', 'check'].some((name) => probe[name] !== undefined);
}

/** A user who sets only `release.concurrency` still gets a slow start. */
function withStrategy<T extends AppOptions>(options: T): T {
  const { release } = options;
  if (!isPlainObject(release) || release.strategy !== undefined) return options;
  return { ...options, release: { ...release, ...DEFAULT_CORE_OPTIONS.release } };
}
