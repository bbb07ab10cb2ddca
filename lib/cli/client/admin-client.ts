/**
 * Calls the admin endpoints over TCP or a Unix socket. Every call has a time limit, and every failure
 * has a message for the operator.
 */
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { formatMs } from '../../common/format.js';
import { systemClock, type Clock } from '../../common/clock.ts';
import { isPlainObject } from '../../common/validate.ts';
import type { AdminUrl } from './admin-url.ts';
import { CommandFailure, EXIT_FAILED } from '../cli-error.ts';
import { RefusedError, UnreachableError } from './client-errors.ts';
import { SENDER_HEADER } from '../../admin/access/sender.ts';
import { senderName } from './sender.ts';
import { printable } from '../../common/printable.ts';

export type Body = Readonly<Record<string, unknown>>;

/** Strings only, because a duration that is a number would have no unit. */
export type QueryParameters = Readonly<Record<string, string | undefined>>;

export interface CallOptions {
  /**
   * The longest that the whole call may take, in milliseconds.
   *
   * @default 10_000
   */
  readonly timeout?: number;
  /** Ends the call; it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface AdminAnswer {
  readonly status: number;
  readonly body: Body;
}

const DEFAULT_TIMEOUT = 10_000;
const MAX_RESPONSE_BYTES = 2 ** 20;

/** The endpoints that change nothing, and so answer GET. */
const READ_ONLY = new Set(['status', 'report', 'traffic', 'transitions', 'events']);

export class AdminClient {
  readonly url: AdminUrl;
  readonly #headers: http.OutgoingHttpHeaders;
  readonly #hasToken: boolean;
  readonly #clock: Clock;

  constructor(url: AdminUrl, token: string | undefined, clock: Clock = systemClock) {
    this.url = url;
    this.#clock = clock;
    this.#hasToken = token !== undefined;
    this.#headers = {
      Accept: 'application/json',
      'User-Agent': 'antract-cli',
      // Node writes each character of a header as one byte.
      [SENDER_HEADER]: Buffer.from(senderName()).toString('latin1'),
      ...(token !== undefined && {
        Authorization: Buffer.from(`Bearer ${token}`).toString('latin1'),
      }),
    };
  }

  /** @throws {@link UnreachableError}, {@link RefusedError}, or the signal's reason. */
  async call(
    endpoint: string,
    parameters: QueryParameters = {},
    { timeout = DEFAULT_TIMEOUT, signal }: CallOptions = {},
  ): Promise<AdminAnswer> {
    const limit = new AbortController();
    const timer = this.#clock.after(timeout, () => limit.abort(), { ref: true });
    const signals = signal ? [limit.signal, signal] : [limit.signal];
    try {
      signal?.throwIfAborted();
      const response = await this.#send(endpoint, parameters, AbortSignal.any(signals));
      return this.#read(response.statusCode ?? 0, await readText(response));
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof CommandFailure) throw error;
      throw this.#unreachableError(
        limit.signal.aborted ? `no answer within ${formatMs(timeout)}` : reasonOf(error),
        error,
      );
    } finally {
      timer.cancel();
    }
  }

  /**
   * Opens an endless response.
   *
   * @throws {@link UnreachableError}, {@link RefusedError}, or the signal's reason.
   */
  async open(endpoint: string, signal: AbortSignal): Promise<IncomingMessage> {
    const limit = new AbortController();
    const timer = this.#clock.after(DEFAULT_TIMEOUT, () => limit.abort(), { ref: true });
    try {
      const both = AbortSignal.any([limit.signal, signal]);
      const response = await this.#send(endpoint, {}, both);
      if (response.statusCode !== 200) {
        this.#read(response.statusCode ?? 0, await readText(response));
      }
      return response;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof CommandFailure) throw error;
      throw this.#unreachableError(reasonOf(error), error);
    } finally {
      timer.cancel();
    }
  }

  #send(
    endpoint: string,
    parameters: QueryParameters,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { secure, address, path } = this.url;
    return new Promise((resolve, reject) => {
      const request = (secure ? https : http).request({
        ...address,
        path: `${path}/${endpoint}${writeQuery(parameters)}`,
        method: READ_ONLY.has(endpoint) ? 'GET' : 'POST',
        headers: this.#headers,
        // A new connection for each call, because an idle one may be closed by the next call.
        agent: false,
        signal,
      });
      // Without this listener Node closes the connection and emits no event.
      request.once('upgrade', (_response: IncomingMessage, socket: Socket) => {
        socket.destroy();
        reject(new Error('the server answered 101 Switching Protocols'));
      });
      request.once('response', resolve).on('error', reject).end();
    });
  }

  #read(status: number, text: string): AdminAnswer {
    const body = parse(text);
    if (body && (status === 200 || status === 202)) return { status, body };
    const { code, detail } = body ?? {};
    if (typeof code === 'string' && code.startsWith('ERR_ANTRACT_')) {
      throw this.#refusedError(status, code, typeof detail === 'string' ? detail : '');
    }
    throw this.#unreachableError(
      `the response (status ${status}) is not from antract's admin endpoints; check host, port and path (--admin-listen moves the endpoints to another address)`,
    );
  }

  #refusedError(status: number, code: string, detail: string): RefusedError {
    return new RefusedError(
      `${this.#refusedText(status, printable(detail))} (${printable(code)})`,
      status,
      code,
    );
  }

  /** The server gives the same answer to a wrong token and to none. */
  #refusedText(status: number, detail: string): string {
    if (status !== 401) return detail;
    return this.#hasToken
      ? 'The token was not accepted.'
      : `${detail} Set --token-file or ANTRACT_ADMIN_TOKEN.`;
  }

  #unreachableError(reason: string, cause?: unknown): UnreachableError {
    return new UnreachableError(
      `Could not reach antract at ${this.url.shown}: ${reason}.`,
      EXIT_FAILED,
      { code: 'ERR_ANTRACT_UNREACHABLE', cause },
    );
  }
}

function writeQuery(parameters: QueryParameters): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, value);
  }
  return query.size === 0 ? '' : `?${query.toString()}`;
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_RESPONSE_BYTES) throw new Error('the response is longer than 1 MiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parse(text: string): Body | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isPlainObject(value) ? value : undefined;
  } catch {
    // The response is not from antract; the caller reports that.
    return undefined;
  }
}

const USE_URL = 'Start antract there, or name its address with --url or ANTRACT_URL';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: `connection refused; nothing listens there. ${USE_URL}`,
  ECONNRESET: 'the connection was reset',
  ENOENT: `there is no such socket. ${USE_URL}`,
  EACCES: 'no permission to open the socket',
  ENOTFOUND: 'no host has that name',
  EAI_AGAIN: 'the DNS lookup failed; try again',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ETIMEDOUT: 'the connection timed out',
  EPROTO: 'the server does not speak TLS',
};

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code !== undefined && REASONS[code]) || printable(message || String(code));
}
