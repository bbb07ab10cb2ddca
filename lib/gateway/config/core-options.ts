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
  const { health, holdOnOutage, ...rest } = withStrategy({ ...DEFAULT_CORE_OPTIONS, ...given });
  const complete = (route: RouteSettings, options: AppOptions): AppOptions => ({
    health: health ?? {
      check: backendCheck(route, options.healthCheckPath ?? rest.healthCheckPath),
    },
    holdOnOutage,
    ...withStrategy(options),
  });
  // No default check at the top level fits several backends.
  const top = health ? { ...rest, health, holdOnOutage } : rest;
  return {
    ...(main ? complete(main, rest) : top),
    apps: Object.fromEntries(apps.map((app) => [app.name, complete(app.route, app.options)])),
  };
}

/** A user who sets only `release.concurrency` still gets a slow start. */
function withStrategy<T extends AppOptions>(options: T): T {
  const { release } = options;
  if (!isPlainObject(release) || release.strategy !== undefined) return options;
  return { ...options, release: { ...release, ...DEFAULT_CORE_OPTIONS.release } };
}
