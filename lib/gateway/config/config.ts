/**
 * What `createGateway()` takes, what that is read into, and the defaults. Starts nothing. Options of
 * the core keep the core's meaning; they are only passed on.
 */
import type { IncomingMessage } from 'node:http';
import type { AntractOptions, AppOptions, Duration, Logger } from '../../options/options.ts';
import type { ListenAddress } from './listen-address.ts';
import type { Target } from './target.ts';

/** How requests are passed on; each app can have these of its own. */
export interface ProxyOptions {
  /**
   * The longest silence between gateway and backend until the answer begins; then 504. An answer
   * that has begun may be silent for longer (event streams). 0 for no limit. Default `2m`.
   */
  proxyTimeout?: Duration | undefined;
  /**
   * Send the target's own name in `Host` rather than the client's. Default false. Set it for a
   * backend that is a virtual host elsewhere.
   */
  changeOrigin?: boolean | undefined;
  /** Take any certificate from an https target. Default false. */
  insecure?: boolean | undefined;
}

/** One app: a backend, the host names it answers for, and options of its own. */
export interface GatewayAppConfig extends AppOptions, ProxyOptions {
  /** Such as `http://127.0.0.1:3000`, or `unix:/path.sock`. */
  target: string;
  /** Default: the app's name. The app `default` takes every host that no other app names. */
  hosts?: readonly string[] | undefined;
}

/** Anything that takes lines: `process.stdout`, a file's stream. */
export interface LineStream {
  write(lines: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly writableLength?: number | undefined;
  on?(event: 'error', listener: (error: Error) => void): unknown;
  off?(event: 'error', listener: (error: Error) => void): unknown;
}

export type AccessLogFormat = 'auto' | 'json' | 'pretty';

export interface GatewayConfig extends Omit<AntractOptions, 'apps' | 'maxApps'>, ProxyOptions {
  /** The backend of the app `default`. Either this, `apps`, or both. */
  target?: string | undefined;
  /** Apps by name, each for host names of its own. Default none. */
  apps?: Readonly<Record<string, GatewayAppConfig>> | undefined;
  /** Default `127.0.0.1`. */
  host?: string | undefined;
  /** 0 lets the system choose. Default 8082. */
  port?: number | undefined;
  /**
   * Where the admin endpoints listen: `host:port`, or the path of a Unix socket, whose file
   * permissions then say who may use them. Default: on the public port, under `adminPath`.
   */
  adminListen?: string | undefined;
  /** Who knows it may use the admin endpoints. Several, to change one for another. Default none. */
  adminToken?: string | readonly string[] | undefined;
  /** Decides in place of the token who may use the admin endpoints. Default none. */
  authorize?: ((req: IncomingMessage) => boolean | Promise<boolean>) | undefined;
  /**
   * Keep the `X-Forwarded-*` and `Forwarded` headers that requests come with, and add to them. Only
   * for a gateway that just another proxy can reach: clients can write them. Default false.
   */
  trustForwarded?: boolean | undefined;
  /** Gets one line for each finished request. Default none. */
  accessLog?: LineStream | false | undefined;
  /** Default `auto`: pretty on a terminal, else JSON. */
  accessLogFormat?: AccessLogFormat | undefined;
  /**
   * How long requests in flight may take to finish after `close()`. Event streams, long polls and
   * WebSockets are ended earlier. Default `10s`.
   */
  shutdownTimeout?: Duration | undefined;
  /**
   * How long a client's idle connection is kept. Default `75s`. More than what idles in front: many
   * load balancers keep theirs for 60 s, and lose a request when we close first.
   */
  keepAliveTimeout?: Duration | undefined;
}

export interface ProxySettings {
  readonly proxyTimeout: number;
  readonly changeOrigin: boolean;
  readonly insecure: boolean;
}

export interface RouteSettings extends ProxySettings {
  readonly app: string;
  readonly target: Target;
  /** As `hostApp()` spells them. */
  readonly hosts: readonly string[];
}

export interface OwnSettings extends ProxySettings {
  readonly target: Target | undefined;
  readonly host: string;
  readonly port: number;
  readonly adminListen: ListenAddress | undefined;
  readonly adminToken: readonly string[];
  readonly authorize: GatewayConfig['authorize'];
  readonly trustForwarded: boolean;
  readonly accessLog: LineStream | false;
  readonly accessLogFormat: AccessLogFormat;
  readonly shutdownTimeout: number;
  readonly keepAliveTimeout: number;
}

/** {@link GatewayConfig}, validated and complete. Durations are in milliseconds. */
export interface GatewaySettings extends OwnSettings {
  readonly routes: readonly RouteSettings[];
  readonly adminPath: string | false;
  readonly logger: Logger;
  /** What `createAntract()` is to be given. */
  readonly antract: AntractOptions;
}

/** The gateway's own defaults, here and nowhere else. */
export const DEFAULT_GATEWAY_SETTINGS: OwnSettings = Object.freeze({
  target: undefined,
  proxyTimeout: 2 * 60_000,
  changeOrigin: false,
  insecure: false,
  host: '127.0.0.1',
  port: 8082,
  adminListen: undefined,
  adminToken: Object.freeze([]),
  authorize: undefined,
  trustForwarded: false,
  accessLog: false,
  accessLogFormat: 'auto',
  shutdownTimeout: 10_000,
  keepAliveTimeout: 75_000,
});

/** Where the gateway's defaults are not the core's: it knows what is behind it. */
export const DEFAULT_CORE_OPTIONS = Object.freeze({
  longLived: 'close',
  holdOnOutage: 10_000,
  drainMinBodyRate: 500,
  release: Object.freeze({ strategy: 'slow-start' }),
} as const satisfies AntractOptions);
