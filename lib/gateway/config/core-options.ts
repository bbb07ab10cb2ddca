/**
 * What the core is given: the user's options, completed by what the gateway knows and the core does
 * not, which is where each backend is. They are not validated here; the core does that.
 */
import type { AntractOptions, AppOptions } from '../../options/options.ts';
import { isPlainObject } from '../../common/validate.ts';
import { backendCheck } from '../proxy/backend-health.ts';
import { DEFAULT_CORE_OPTIONS, type RouteSettings } from './config.ts';

export interface NamedApp {
  readonly name: string;
  readonly route: RouteSettings;
  readonly options: AppOptions;
}

/**
 * @param given what stands at the top; each app takes from there what it leaves out.
 * @param main the backend that is named at the top too, if one is.
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
  // With several backends there is no way at the top to look at all of them.
  const top = health ? { ...rest, health, holdOnOutage } : rest;
  return {
    ...(main ? complete(main, rest) : top),
    apps: Object.fromEntries(apps.map((app) => [app.name, complete(app.route, app.options)])),
  };
}

/** A limit of the user's own is no word against starting slowly. */
function withStrategy<T extends AppOptions>(options: T): T {
  const { release } = options;
  if (!isPlainObject(release) || release.strategy !== undefined) return options;
  return { ...options, release: { ...release, ...DEFAULT_CORE_OPTIONS.release } };
}
