/**
 * `createAntract()`: reads the options once and wires the rest. Knows no proxy.
 */
import { createAdminRouter, type AdminOptions, type AdminRouter } from './admin/router.ts';
import type { PauseOptions } from './http/admission.ts';
import { delayContinue, type ContinueServer } from './http/expect-continue.ts';
import { readEveryHeader } from './common/header-limit.ts';
import { createPauseMiddleware, type PauseMiddleware } from './http/middleware.ts';
import { Notifier } from './webhook/notify.ts';
import type { AntractOptions } from './options/options.ts';
import { PauseRegistry } from './registry/pause-registry.ts';
import { createSpooler, type Spooler } from './spool/spooler.ts';
import {
  createUpgradeListener,
  type PauseUpgradeListener,
  type UpgradeListener,
} from './http/upgrade/upgrade.ts';

/** The calls of the registry are bound, so that they can be passed around. */
export interface Antract extends Pick<
  PauseRegistry,
  | 'enable'
  | 'disable'
  | 'stop'
  | 'status'
  | 'list'
  | 'waitForDrain'
  | 'waitForRelease'
  | 'during'
  | 'close'
  | 'on'
  | 'once'
  | 'off'
> {
  /** What the middleware and the admin router share. */
  readonly registry: PauseRegistry;
  /** The middleware that holds requests. Mount it ahead of what it is to protect. */
  pause(options?: PauseOptions): PauseMiddleware;
  /** The same for WebSockets: `server.on('upgrade', antract.upgrade(listener))`. */
  upgrade(listener: UpgradeListener, options?: PauseOptions): PauseUpgradeListener;
  /**
   * Makes clients that ask first (`Expect: 100-continue`) keep their uploads until their request may
   * pass. Without it Node tells them to go on before any handler runs.
   *
   * Also sets `server.maxHeadersCount` to 0, for connections made from now on, so that no header is
   * dropped. Without it `pause()` answers 431 to a request with as many headers as the server reads.
   */
  attach(server: ContinueServer): void;
  /** The router with the admin endpoints, for `adminPath`. Needs Express. */
  admin(options?: AdminOptions): AdminRouter;
  /**
   * With a `store`: resolves once it is known what is asked for, or that the store does not answer.
   * Requests that come before it wait. Else it has resolved already.
   */
  ready(): Promise<void>;
}

/**
 * Two calls share nothing.
 *
 * @throws AntractError `ERR_ANTRACT_OPTION` for an option that is unknown or wrong.
 */
export function createAntract(options: AntractOptions = {}): Antract {
  const registry = new PauseRegistry(options);
  const { spool, logger, notify } = registry.settings;
  let spooler: Spooler | undefined;
  registry.spooledBytes = () => spooler?.bytes ?? 0;
  const notifier = notify === undefined ? undefined : new Notifier(registry, notify);
  return {
    registry,
    pause(pauseOptions) {
      spooler ??= createSpooler(spool, { warn: (message) => logger.warn(message) });
      return createPauseMiddleware(registry, spooler, pauseOptions);
    },
    upgrade: (listener, pauseOptions) => createUpgradeListener(registry, listener, pauseOptions),
    attach: (server) => delayContinue(readEveryHeader(server)),
    admin: (adminOptions) => createAdminRouter(registry, adminOptions),
    ready: () => registry.ready,
    enable: registry.enable.bind(registry),
    disable: registry.disable.bind(registry),
    stop: registry.stop.bind(registry),
    status: registry.status.bind(registry),
    list: registry.list.bind(registry),
    waitForDrain: registry.waitForDrain.bind(registry),
    waitForRelease: registry.waitForRelease.bind(registry),
    during: registry.during.bind(registry),
    async close() {
      await registry.close();
      await spooler?.close();
      await notifier?.close();
    },
    on: registry.on.bind(registry),
    once: registry.once.bind(registry),
    off: registry.off.bind(registry),
  };
}
