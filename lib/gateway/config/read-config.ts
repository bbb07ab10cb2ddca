/**
 * Validates the configuration of `createGateway()`. Options of the core are passed on as they are, and
 * the core validates them.
 */
import { readTokens } from '../../admin/access/token.ts';
import { AntractError } from '../../common/errors.ts';
import { APP_OPTION_NAMES, OPTION_NAMES } from '../../options/read-options.ts';
import { DEFAULT_SETTINGS } from '../../options/settings.ts';
import type { Logger } from '../../options/options.ts';
import { DEFAULT_APP } from '../../options/app-name.ts';
import { printableLogger } from '../../common/printable.ts';
import {
  boolean,
  duration,
  expected,
  func,
  integer,
  isPlainObject,
  oneOf,
  readObject,
  type Reader,
  type Readers,
} from '../../common/validate.ts';
import {
  DEFAULT_GATEWAY_SETTINGS,
  type GatewayConfig,
  type GatewaySettings,
  type LineStream,
  type OwnSettings,
  type ProxySettings,
  type RouteSettings,
} from './config.ts';
import { readCoreOptions, type NamedApp } from './core-options.ts';
import { assertNotExposed } from './exposure.ts';
import { MAX_PORT, readListenAddress } from './listen-address.ts';
import { readTarget } from './target.ts';

const proxyReaders: Readers<ProxySettings> = {
  proxyTimeout: duration(),
  changeOrigin: boolean,
  insecure: boolean,
};

const ownReaders: Readers<OwnSettings> = {
  ...proxyReaders,
  target: readTarget,
  host: readHost,
  port: readPort,
  adminListen: readListenAddress,
  adminToken: readTokens,
  authorize: func('(req) => boolean'),
  trustForwarded: boolean,
  accessLog: readStream,
  accessLogFormat: oneOf('auto', 'json', 'pretty'),
  shutdownTimeout: duration(),
  keepAliveTimeout: duration({ min: 1 }),
};

const passThrough: Reader<unknown> = (_name, value) => value;
const coreNames = OPTION_NAMES.filter((name) => name !== 'apps' && name !== 'maxApps');
const readers = { ...passThroughReaders(coreNames), apps: passThrough, ...ownReaders };
const appReaders = {
  ...passThroughReaders(APP_OPTION_NAMES),
  ...proxyReaders,
  target: readTarget,
  hosts: readHosts,
};

/** Every option name of `createGateway()`. */
export const GATEWAY_OPTION_NAMES: readonly string[] = Object.keys(readers);

/** Every option name of an entry of `apps`. */
export const GATEWAY_APP_OPTION_NAMES: readonly string[] = Object.keys(appReaders);

/** @throws AntractError for an option that is unknown or wrong. */
export function readConfig(config: GatewayConfig): GatewaySettings {
  const read = readObject<Record<string, unknown>>('', config, readers, {
    ...DEFAULT_GATEWAY_SETTINGS,
  });
  const own = pick(read, Object.keys(ownReaders)) as unknown as OwnSettings;
  const apps = readApps(read['apps'], own);
  const adminPath = (read['adminPath'] ?? DEFAULT_SETTINGS.adminPath) as string | false;
  if (adminPath === false && own.adminListen) {
    throw expected('adminPath', 'a path where `adminListen` is set', adminPath);
  }
  const main = readMain(own, apps);
  const settings: GatewaySettings = {
    ...own,
    routes: readRoutes(main, apps),
    adminPath,
    logger: printableLogger((read['logger'] ?? DEFAULT_SETTINGS.logger) as Logger),
    antract: {
      ...readCoreOptions(pick(read, coreNames), main, apps),
      // With a listener for the admin endpoints, the admin path on the public port is the backend's.
      adminPath: own.adminListen ? false : adminPath,
    },
  };
  assertNotExposed(settings);
  return settings;
}

function readApps(value: unknown, defaults: ProxySettings): NamedApp[] {
  if (value === undefined) return [];
  if (!isPlainObject(value)) throw expected('apps', 'an object of apps by name', value);
  return Object.entries(value).map(([name, entry]) => {
    const prefix = `apps.${name}.`;
    const read = readObject<Record<string, unknown>>(prefix, entry, appReaders, {
      ...pick(defaults as unknown as Record<string, unknown>, Object.keys(proxyReaders)),
      hosts: name === DEFAULT_APP ? [] : readHosts(`apps.${name}`, [name]),
    });
    if (!read['target']) readTarget(`${prefix}target`, undefined);
    const route = pick(read, [...Object.keys(proxyReaders), 'target', 'hosts']);
    return {
      name,
      route: { app: name, ...route } as unknown as RouteSettings,
      options: pick(read, APP_OPTION_NAMES),
    };
  });
}

/** The backend at the top level. */
function readMain(own: OwnSettings, apps: readonly NamedApp[]): RouteSettings | undefined {
  if (!own.target) return undefined;
  if (apps.some(({ name }) => name === DEFAULT_APP)) {
    throw new AntractError('ERR_ANTRACT_OPTION', 'Expected `target` or `apps.default`, not both.');
  }
  const { target, proxyTimeout, changeOrigin, insecure } = own;
  return { app: DEFAULT_APP, hosts: [], target, proxyTimeout, changeOrigin, insecure };
}

function readRoutes(main: RouteSettings | undefined, apps: readonly NamedApp[]): RouteSettings[] {
  const routes = [...apps.map((app) => app.route), ...(main ? [main] : [])];
  if (routes.length === 0) {
    throw new AntractError('ERR_ANTRACT_OPTION', 'Expected `target`, or at least one of `apps`.');
  }
  assertHostsDiffer(routes);
  return routes;
}

function assertHostsDiffer(routes: readonly RouteSettings[]): void {
  const appOfHost = new Map<string, string>();
  for (const { app, hosts } of routes) {
    for (const host of hosts) {
      const other = appOfHost.get(host);
      if (other !== undefined) {
        throw new AntractError(
          'ERR_ANTRACT_OPTION',
          `Expected each host in one app only, but '${host}' is in both '${other}' and '${app}'.`,
        );
      }
      appOfHost.set(host, app);
    }
  }
}

function readHosts(name: string, value: unknown): readonly string[] {
  const wanted = 'an array of host names without ports';
  if (!Array.isArray(value)) throw expected(name, wanted, value);
  return value.map((host: unknown) => {
    if (typeof host !== 'string' || !/^([\w.-]+|\[[\da-f:.]+\])$/i.test(host)) {
      throw expected(
        name,
        name.endsWith('.hosts') ? wanted : 'a host name, or to have `hosts`',
        host,
      );
    }
    return host.toLowerCase().replace(/\.$/, '');
  });
}

function readHost(name: string, value: unknown): string {
  if (typeof value === 'string' && /^[\w.:-]+$/.test(value)) return value;
  throw expected(name, 'an address or a host name to listen on', value);
}

function readPort(name: string, value: unknown): number {
  const port = integer()(name, value);
  if (port <= MAX_PORT) return port;
  throw expected(name, `a port from 0 to ${MAX_PORT}`, value);
}

function readStream(name: string, value: unknown): LineStream | false {
  if (value === false) return false;
  if (typeof (value as LineStream | null)?.write === 'function') return value as LineStream;
  throw expected(name, 'a stream such as process.stdout, or false', value);
}

function passThroughReaders(names: readonly string[]): Record<string, Reader<unknown>> {
  return Object.fromEntries(names.map((name) => [name, passThrough]));
}

/** Leaves out undefined values. */
function pick(from: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    names.filter((name) => from[name] !== undefined).map((name) => [name, from[name]]),
  );
}
