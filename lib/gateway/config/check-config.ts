/** Validates a whole configuration without a server, and probes its backends once. */
import { systemClock } from '../../common/clock.ts';
import { DEFAULT_APP } from '../../options/app-name.ts';
import { readOptions } from '../../options/read-options.ts';
import { checkOnce } from '../../probe/backend-probe.ts';
import type { GatewayConfig } from './config.ts';
import { readConfig } from './read-config.ts';
import { formatTarget } from './target.ts';

/** One app and its backend. */
export interface CheckedApp {
  readonly app: string;
  readonly hosts: readonly string[];
  readonly target: string;
  /** What the probe does unless the options name a URL or an address, in words. */
  readonly defaultProbe: string;
  /** Probes the backend once, as before a release. Resolves with the reason of a failure, or with undefined. */
  readonly probe: () => Promise<string | undefined>;
}

/** @throws AntractError, as `createGateway()`. */
export function checkConfig(config: GatewayConfig): CheckedApp[] {
  const { routes, antract } = readConfig(config);
  const { apps, probe: shared } = readOptions(antract);
  return routes.map(({ app, hosts, target }) => {
    const { check } = app === DEFAULT_APP ? shared : (apps.get(app)?.probe ?? shared);
    const probe = async (): Promise<string | undefined> =>
      check && checkOnce(check, systemClock, new AbortController().signal);
    const defaultProbe =
      check?.path === undefined ? 'a connection to the target' : `GET ${check.path} of the target`;
    return { app, hosts, target: formatTarget(target), defaultProbe, probe };
  });
}
