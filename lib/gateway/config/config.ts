/**
 * The configuration of `createGateway()`, the settings it is read into, and the defaults. Options of the
 * core are passed on and keep their meaning.
 */
import type { IncomingMessage } from 'node:http';
import type { AdminToken } from '../../admin/access/token.ts';
import type { AntractOptions, AppOptions, Duration, Logger } from '../../options/options.ts';
import type { ListenAddress } from './listen-address.ts';
import type { Target } from './target.ts';

/** How requests are passed on. Each app can override these options. */
export interface ProxyOptions {
  /**
   * The longest silence between gateway and backend until the response begins. Then the client gets
   * 504. A response that has begun may be silent for longer, such as an event stream. Milliseconds or a
   * string with a unit; 0 for no limit.
   *
   * @default `2m`
   */
  proxyTimeout?: Duration | undefined;
  /**
   * Whether to send the target's host name in `Host` instead of the client's. Set it for a backend that is a
   * virtual host of another server.
   *
   * @default false
   */
  changeOrigin?: boolean | undefined;
  /**
   * Whether to accept any certificate of an https target.
   *
   * @default false
   */
  insecure?: boolean | undefined;
}

/** One app: a backend, its host names, and its options. */
export interface GatewayAppConfig extends AppOptions, ProxyOptions {
  /** The URL of the backend, such as `http://127.0.0.1:3000` or `unix:/path.sock`. */
  target: string;
  /**
   * The host names of the app, without ports. The app `default` gets the requests for all other hosts.
   *
   * @default the app's name
   */
  hosts?: readonly string[] | undefined;
}

/** A stream for log lines, such as `process.stdout` or a file stream. */
export interface LineStream {
  /** Writes one or more lines. */
  write(lines: string): unknown;
  /** Whether the stream is a terminal. */
  readonly isTTY?: boolean | undefined;
  /** Bytes that the stream has buffered. */
  readonly writableLength?: number | undefined;
  /** Listens for errors of the stream. */
  on?(event: 'error', listener: (error: Error) => void): unknown;
  /** Removes a listener. */
  off?(event: 'error', listener: (error: Error) => void): unknown;
}

/** `auto` is `pretty` on a terminal and `json` otherwise. */
export type AccessLogFormat = 'auto' | 'json' | 'pretty';

/** The options of `createGateway()`. Either `target`, `apps` or both must be set. */
export interface GatewayConfig extends Omit<AntractOptions, 'apps' | 'maxApps'>, ProxyOptions {
  /** The URL of the backend of the app `default`, such as `http://127.0.0.1:3000`. */
  target?: string | undefined;
  /**
   * Apps by name, each with its own backend and host names.
   *
   * @default none
   */
  apps?: Readonly<Record<string, GatewayAppConfig>> | undefined;
  /**
   * The address on which the public server listens.
   *
   * @default `127.0.0.1`
   */
  host?: string | undefined;
  /**
   * The port on which the public server listens. 0 lets the system choose one.
   *
   * @default 8082
   */
  port?: number | undefined;
  /**
   * Where the admin endpoints listen: `host:port`, or the absolute path of a Unix socket, whose file
   * permissions then control the access.
   *
   * @default on the public port, under `adminPath`
   */
  adminListen?: string | undefined;
  /**
   * The token for the admin endpoints. Several tokens are valid at once, so that you can replace one.
   *
   * @default none
   */
  adminToken?: AdminToken | readonly AdminToken[] | undefined;
  /**
   * Decides which requests may use the admin endpoints.
   *
   * @default none
   */
  authorize?: ((req: IncomingMessage) => boolean | Promise<boolean>) | undefined;
  /**
   * Whether to keep the `X-Forwarded-*`, `Forwarded` and `X-Real-IP` headers of requests, and to add to
   * `X-Forwarded-*`. Set it only if all requests come through a trusted proxy, because clients can forge
   * these headers.
   *
   * @default false
   */
  trustForwarded?: boolean | undefined;
  /**
   * A stream that gets one line for each finished request, or false for none.
   *
   * @default false
   */
  accessLog?: LineStream | false | undefined;
  /**
   * The format of the access log. `auto` is `pretty` on a terminal and `json` otherwise.
   *
   * @default `auto`
   */
  accessLogFormat?: AccessLogFormat | undefined;
  /**
   * How long requests in flight may take to finish after `close()`. Event streams, long polls and
   * WebSockets are ended earlier. Milliseconds or a string with a unit.
   *
   * @default `10s`
   */
  shutdownTimeout?: Duration | undefined;
  /**
   * How long an idle client connection is kept. Milliseconds or a string with a unit; at least 1. Set it
   * above the idle timeout of the proxy in front of the gateway. Many load balancers keep connections for
   * 60 s, and a request fails when the gateway closes first.
   *
   * @default `75s`
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
  /** In lower case, without ports and trailing dots, as `hostApp()` returns them. */
  readonly hosts: readonly string[];
}

export interface OwnSettings extends ProxySettings {
  readonly target: Target | undefined;
  readonly host: string;
  readonly port: number;
  readonly adminListen: ListenAddress | undefined;
  readonly adminToken: readonly AdminToken[];
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
  /** The options for `createAntract()`. */
  readonly antract: AntractOptions;
}

/** The defaults of the gateway's own options. */
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

/** Defaults of core options that differ in the gateway, because it knows its backends. */
export const DEFAULT_CORE_OPTIONS = Object.freeze({
  longLived: 'close',
  holdOnOutage: 10_000,
  drainMinBodyRate: 500,
  release: Object.freeze({ strategy: 'slow-start' }),
} as const satisfies AntractOptions);
