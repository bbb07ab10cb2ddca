/**
 * Calls the admin endpoints over TCP or a Unix socket. Never waits without a limit, and whatever goes
 * wrong becomes a sentence. Knows neither commands nor the terminal.
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
import { printable } from '../../common/printable.ts';

export type Body = Readonly<Record<string, unknown>>;

/** Text alone, as a duration that is a bare number has no unit. */
export type Parameters = Readonly<Record<string, string | undefined>>;

export interface CallOptions {
  /** The longest that the whole call may take. Default 10 s. */
  readonly timeout?: number;
  /** Ends the call; it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface AdminAnswer {
  readonly status: number;
  readonly body: Body;
}

const DEFAULT_TIMEOUT = 10_000;
const MAX_ANSWER = 2 ** 20;

/** Those that only look, and so may be asked for by GET. */
const READ_ONLY = new Set(['status', 'report', 'traffic']);

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
      ...(token !== undefined && {
        Authorization: Buffer.from(`Bearer ${token}`).toString('latin1'),
      }),
    };
  }

  /** @throws {@link UnreachableError}, {@link RefusedError}, or the signal's reason. */
  async call(
    endpoint: string,
    parameters: Parameters = {},
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
      throw this.#unreachable(
        limit.signal.aborted ? `no answer within ${formatMs(timeout)}` : reasonOf(error),
        error,
      );
    } finally {
      timer.cancel();
    }
  }

  #send(endpoint: string, parameters: Parameters, signal: AbortSignal): Promise<IncomingMessage> {
    const { secure, address, path } = this.url;
    return new Promise((resolve, reject) => {
      const request = (secure ? https : http).request({
        ...address,
        path: `${path}/${endpoint}${queryOf(parameters)}`,
        method: READ_ONLY.has(endpoint) ? 'GET' : 'POST',
        headers: this.#headers,
        // A connection of its own: one that is kept may be gone when it is needed next.
        agent: false,
        signal,
      });
      // Without a listener Node closes the connection and emits nothing.
      request.once('upgrade', (_response: IncomingMessage, socket: Socket) => {
        socket.destroy();
        reject(new Error('it answered 101 Switching Protocols'));
      });
      request.once('response', resolve).on('error', reject).end();
    });
  }

  #read(status: number, text: string): AdminAnswer {
    const body = parse(text);
    if (body && (status === 200 || status === 202)) return { status, body };
    const { code, detail } = body ?? {};
    if (typeof code === 'string' && code.startsWith('ERR_ANTRACT_')) {
      throw this.#refusal(status, code, typeof detail === 'string' ? detail : '');
    }
    throw this.#unreachable(
      `what answers there (${status}) is not antract's admin endpoint; is the path right`,
    );
  }

  #refusal(status: number, code: string, detail: string): RefusedError {
    return new RefusedError(
      `${this.#sentence(status, printable(detail))} (${printable(code)})`,
      status,
      code,
    );
  }

  /** A server does not tell a wrong token from none; whoever sent one wants to know. */
  #sentence(status: number, detail: string): string {
    if (status !== 401) return detail;
    return this.#hasToken
      ? 'The token was not accepted.'
      : `${detail} Set --token-file, ANTRACT_TOKEN_FILE or ANTRACT_TOKEN.`;
  }

  #unreachable(reason: string, cause?: unknown): UnreachableError {
    return new UnreachableError(
      `Could not reach antract at ${this.url.shown}: ${reason}.`,
      EXIT_FAILED,
      { code: 'ERR_ANTRACT_UNREACHABLE', cause },
    );
  }
}

function queryOf(parameters: Parameters): string {
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
    if (size > MAX_ANSWER) throw new Error('its answer has no end');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parse(text: string): Body | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isPlainObject(value) ? value : undefined;
  } catch {
    // Somebody else's page; whoever called says so.
    return undefined;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused; nothing listens there',
  ECONNRESET: 'the connection broke',
  ENOENT: 'there is no such socket',
  EACCES: 'no permission to open the socket',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name of the host could not be looked up now',
  EHOSTUNREACH: 'no way to that host',
  ENETUNREACH: 'no way to that network',
  ETIMEDOUT: 'the connection timed out',
  EPROTO: 'it does not speak TLS',
};

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code !== undefined && REASONS[code]) || printable(message || String(code));
}
