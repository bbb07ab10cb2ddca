/**
 * `createAntract()`: builds an instance from its parts.
 */
import { createAdminRouter, type AdminOptions, type AdminRouter } from './admin/router.ts';
import { readEveryHeader } from './common/header-limit.ts';
import type { AntractEvents, AntractListener } from './gate/events.ts';
import type { PauseOptions } from './http/choose-gate.ts';
import { delayContinue, type ContinueServer } from './http/expect-continue.ts';
import { createPauseMiddleware, type PauseMiddleware } from './http/middleware.ts';
import {
  createUpgradeListener,
  type PauseUpgradeListener,
  type UpgradeListener,
} from './http/upgrade/upgrade.ts';
import type { AntractOptions } from './options/options.ts';
import { PauseRegistry } from './registry/pause-registry.ts';
import { RegistryCore } from './registry/registry-core.ts';
import { createSpooler, type Spooler } from './spool/spooler.ts';
import { Notifier } from './webhook/notify.ts';

/**
 * One instance of antract. All methods are bound, so you can pass them around. The methods of
 * {@link PauseRegistry} are available here too.
 */
export interface Antract extends Pick<
  PauseRegistry,
  | 'enable'
  | 'disable'
  | 'stop'
  | 'status'
  | 'list'
  | 'report'
  | 'traffic'
  | 'waitForDrain'
  | 'waitForRelease'
  | 'during'
  | 'close'
> {
  /** The commands, snapshots and events of this instance, without HTTP. */
  readonly registry: PauseRegistry;

  /**
   * Makes the middleware that holds requests. Mount it before the handlers that it protects.
   *
   * @throws AntractError `ERR_ANTRACT_OPTION`, `ERR_ANTRACT_APP_NAME`.
   * @example
   * app.use(antract.pause());
   */
  pause(options?: PauseOptions): PauseMiddleware;

  /**
   * Makes the listener that holds upgrades, such as WebSocket handshakes.
   *
   * @throws AntractError `ERR_ANTRACT_OPTION`, `ERR_ANTRACT_APP_NAME`.
   * @example
   * server.on('upgrade', antract.upgrade(listener));
   */
  upgrade(listener: UpgradeListener, options?: PauseOptions): PauseUpgradeListener;

  /**
   * Prepares a server for held requests:
   *
   * - Clients that send `Expect: 100-continue` keep the request body until their request may pass. Without
   *   `attach()`, Node asks for the body before any handler runs.
   * - `server.maxHeadersCount` becomes 0 for later connections, so that Node drops no header. Without
   *   `attach()`, `pause()` answers 431 to a request with as many headers as the server reads.
   */
  attach(server: ContinueServer): void;

  /**
   * Makes the router with the admin endpoints. Mount it at `adminPath`.
   *
   * @throws AntractError `ERR_ANTRACT_OPTION`.
   * @example
   * app.use('/_antract', antract.admin());
   */
  admin(options?: AdminOptions): AdminRouter;

  /**
   * With a `store`: resolves when the desired states are known, or when the store is known not to answer.
   * Requests that arrive earlier are held. Without a store it has resolved already.
   */
  ready(): Promise<void>;

  /**
   * Calls a listener at each event. Returns this instance.
   *
   * @example
   * antract.on('drained', ({ app, afterMs }) => console.log(`${app} drained after ${afterMs} ms`));
   */
  on<K extends keyof AntractEvents>(event: K, listener: AntractListener<K>): this;

  /** Calls a listener at the next event of that name. Returns this instance. */
  once<K extends keyof AntractEvents>(event: K, listener: AntractListener<K>): this;

  /** Removes a listener. Returns this instance. */
  off<K extends keyof AntractEvents>(event: K, listener: AntractListener<K>): this;
}

/**
 * Makes an instance. Two instances share nothing, unless they use the same store.
 *
 * @throws AntractError `ERR_ANTRACT_OPTION` for an option that is unknown or invalid.
 * @example
 * const antract = createAntract({ maxTime: '2m' });
 * app.use('/_antract', antract.admin());
 * app.use(antract.pause());
 */
export function createAntract(options: AntractOptions = {}): Antract {
  return assembleAntract(new RegistryCore(options));
}

/** Builds an instance around a core, for the gateway, which needs both. */
export function assembleAntract(core: RegistryCore): Antract {
  const registry = new PauseRegistry(core);
  const { spool, logger, notify } = core.settings;
  let spooler: Spooler | undefined;
  core.totalSpooledBytes = () => spooler?.bytes ?? 0;
  const notifier = notify === undefined ? undefined : new Notifier(registry, core, notify);
  const antract: Antract = {
    registry,
    pause(pauseOptions) {
      spooler ??= createSpooler(spool, { warn: (message) => logger.warn(message) });
      return createPauseMiddleware(core, spooler, pauseOptions);
    },
    upgrade: (listener, pauseOptions) => createUpgradeListener(core, listener, pauseOptions),
    attach: (server) => delayContinue(readEveryHeader(server)),
    admin: (adminOptions) => createAdminRouter(registry, core, adminOptions),
    ready: () => core.ready,
    enable: registry.enable.bind(registry),
    disable: registry.disable.bind(registry),
    stop: registry.stop.bind(registry),
    status: registry.status.bind(registry),
    list: registry.list.bind(registry),
    report: registry.report.bind(registry),
    traffic: registry.traffic.bind(registry),
    waitForDrain: registry.waitForDrain.bind(registry),
    waitForRelease: registry.waitForRelease.bind(registry),
    during: registry.during.bind(registry),
    async close() {
      await core.close();
      await spooler?.close();
      await notifier?.close();
    },
    on(event, listener) {
      registry.on(event, listener);
      return antract;
    },
    once(event, listener) {
      registry.once(event, listener);
      return antract;
    },
    off(event, listener) {
      registry.off(event, listener);
      return antract;
    },
  };
  return antract;
}
