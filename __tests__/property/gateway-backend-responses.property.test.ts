/**
 * Random responses of a backend, through a gateway in a process of its own: right ones, odd ones, and
 * ones with some bytes changed. fast-check prints the seed; `SEED` repeats it.
 */
import { afterEach, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { endAll, serve } from '../support/cli.ts';
import { closeAll, connect, listen, request } from '../support/http.ts';
import { bareBackend, closeRawBackends, type RawBackend } from '../support/raw-backend.ts';
import { readResponse } from '../support/response-bytes.ts';

const RUNS = 400;
const AT_ONCE = 50;
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

const directory = mkdtempSync(path.join(tmpdir(), 'antract-fuzz-'));

afterEach(async () => {
  await endAll();
  await closeAll();
  await closeRawBackends();
  rmSync(directory, { recursive: true, force: true });
});

interface Exchange {
  readonly kind: keyof typeof REQUESTS;
  /** What the backend sends, part by part. */
  readonly parts: readonly string[];
  readonly ending: 'end' | 'reset' | 'later';
}

const HANDSHAKE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
const CLOSE = 'Connection: close\r\n';

const REQUESTS = {
  get: (id: number) => `GET /${id} HTTP/1.1\r\nHost: odd.example\r\n${CLOSE}\r\n`,
  head: (id: number) => `HEAD /${id} HTTP/1.1\r\nHost: odd.example\r\n${CLOSE}\r\n`,
  old: (id: number) => `GET /${id} HTTP/1.0\r\nHost: odd.example\r\n\r\n`,
  post: (id: number) =>
    `POST /${id} HTTP/1.1\r\nHost: odd.example\r\n${CLOSE}Content-Length: 2\r\n\r\nab`,
  chunked: (id: number) =>
    `POST /${id} HTTP/1.1\r\nHost: odd.example\r\n${CLOSE}TE: trailers\r\nTrailer: X-T\r\n` +
    'Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-T: 1\r\n\r\n',
  handshake: (id: number) => `GET /${id} HTTP/1.1\r\nHost: odd.example\r\n${HANDSHAKE}`,
} as const;

const status = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('200', '204', '206', '301', '304', '404', '500', '503') },
  { weight: 3, arbitrary: fc.constantFrom('100', '101', '102', '103', '199') },
  {
    weight: 3,
    arbitrary: fc.constantFrom('000', '001', '099', '600', '999', '1000', '20', '-1', ''),
  },
);
const reason = fc.oneof(
  fc.constantFrom('OK', '', 'Tr\xe8s bien', 'O\x01K', '\x7f', '\x1b[2J', 'x'.repeat(20_000)),
  fc.string({ maxLength: 8 }),
);
const statusLine = fc
  .tuple(
    fc.constantFrom('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2', 'ICY'),
    status,
    reason,
  )
  .map((words) => words.join(' '));

const header = fc.oneof(
  fc.constantFrom(
    'Content-Length: 5',
    'Content-Length: 0',
    'Content-Length: 99',
    'Content-Length: x',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: identity',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked, identity',
    'Connection: close',
    'Connection: keep-alive',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Upgrade: x',
    'Trailer: X-Sum, Host',
    'Set-Cookie: a=b',
    'Server-Timing: a',
    'Content-Type: text/event-stream',
    'Keep-Alive: x',
    '__proto__: x',
    'constructor: x',
    'toString: x',
    'Location: //',
    'Date: x',
    'Content-Disposition: \xff',
    ': x',
    'X y: z',
    ' folded',
    'X: \x00',
    'X: a\rb',
    `X: ${'y'.repeat(9000)}`,
  ),
  fc.string({ maxLength: 12 }).map((value) => `X-Odd: ${value}`),
);
const body = fc.oneof(
  fc.constantFrom(
    '',
    'hello',
    '5\r\nhello\r\n0\r\n\r\n',
    '5\r\nhello\r\n0\r\nX-Sum: 1\r\nHost: a\r\n\r\n',
    '5\r\nhel',
    'zz\r\n',
    '\x81\x02hi',
    'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    'x'.repeat(100_000),
  ),
  fc.string({ maxLength: 20 }),
);
const message = fc
  .tuple(statusLine, fc.array(header, { maxLength: 5 }), body)
  .map(([line, headers, rest]) => `${[line, ...headers].join('\r\n')}\r\n\r\n${rest}`);

/** Changes, inserts or removes a byte. */
const mutation = fc.record({
  at: fc.nat(200),
  remove: fc.nat(2),
  insert: fc.constantFrom('', '\r', '\n', '\0', ' ', ':', '\xff', '0', '9', ','),
});
const mutated = fc
  .tuple(fc.array(message, { minLength: 1, maxLength: 3 }), fc.array(mutation, { maxLength: 2 }))
  .map(([messages, mutations]) =>
    mutations.reduce(
      (bytes, { at, remove, insert }) => bytes.slice(0, at) + insert + bytes.slice(at + remove),
      messages.join(''),
    ),
  );

const exchanges: fc.Arbitrary<Exchange> = fc.record({
  kind: fc.constantFrom(...(Object.keys(REQUESTS) as (keyof typeof REQUESTS)[])),
  parts: fc.tuple(mutated, fc.array(fc.nat(120), { maxLength: 3 })).map(([bytes, cuts]) => {
    const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
    return at.slice(1).map((end, i) => bytes.slice(at[i], end));
  }),
  ending: fc.constantFrom('end', 'reset', 'later'),
});

/** Answers the request for `/3` with the parts of the third exchange. */
function startBackend(drawn: readonly Exchange[]): Promise<RawBackend> {
  return bareBackend((socket) => {
    socket.on('data', (data: Buffer) => {
      const id = /^[A-Z]+ \/(\d+) /.exec(data.toString('latin1'))?.[1];
      if (id !== undefined) void answer(socket, drawn[Number(id)] as Exchange);
    });
  });
}

async function answer(socket: Socket, { parts, ending }: Exchange): Promise<void> {
  for (const part of parts) {
    socket.write(part, 'latin1');
    await new Promise(setImmediate);
  }
  if (ending === 'reset') socket.resetAndDestroy();
  else if (ending === 'end') socket.end();
  // What is not complete has to end some time: within a response a backend may be silent for long.
  else setTimeout(() => socket.destroy(), 30);
}

/** What the client has received when the gateway closes its connection, or resets it. */
async function send(port: number, bytes: string): Promise<string> {
  const socket = await connect(port);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // `once()` would reject at a reset: how an incomplete response without a length has to end.
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.write(bytes, 'latin1');
  await closed;
  return Buffer.concat(chunks).toString('latin1');
}

async function runAll(port: number, drawn: readonly Exchange[]): Promise<string[]> {
  const faults: string[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let id = next++; id < drawn.length; id = next++) {
      const { kind } = drawn[id] as Exchange;
      const received = await send(port, REQUESTS[kind](id));
      try {
        readResponse(received, kind !== 'head');
      } catch (error) {
        faults.push(`${(error as Error).message}: ${JSON.stringify(drawn[id])}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return faults;
}

it(`no response of a backend ends the gateway or is passed on ambiguously (seed ${SEED})`, async () => {
  const drawn = fc.sample(exchanges, { seed: SEED, numRuns: RUNS });
  const backend = await startBackend(drawn);
  const shop = await listen((_req, res) => res.end('ok'));
  const config = path.join(directory, 'config.json');
  const apps = { 'odd.example': { target: backend.url }, 'shop.example': { target: shop.url } };
  writeFileSync(
    config,
    JSON.stringify({ apps, proxyTimeout: '200ms', holdOnOutage: 0, accessLog: 'json' }),
  );
  const { cli, url, adminUrl } = await serve(['--config', config]);
  let ended = false;
  void cli.exited.then(() => (ended = true));
  await request(`${adminUrl}/enable?app=shop.example`);
  const held = request(url, { headers: { host: 'shop.example' } });

  const faults = await runAll(Number(new URL(url).port), drawn);

  expect(ended ? cli.stderr : '').toBe('');
  expect(faults).toEqual([]);
  // Nothing is left in flight, and the held request of another app has noticed nothing.
  const drain = await request(`${adminUrl}/enable?app=odd.example&wait=5s`);
  expect(drain.status).toBe(200);
  await request(`${adminUrl}/disable?app=shop.example`);
  expect((await held).status).toBe(200);
});
