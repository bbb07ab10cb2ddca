/**
 * Whatever operators, clients and time do to each other, each request ends in exactly one way, in
 * order, and the counts are true.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createPauseMiddleware } from '../../lib/http/middleware.ts';
import { OpenRegistry } from '../support/open-registry.ts';
import { DEFAULT_SPOOL_SETTINGS } from '../../lib/options/spool-settings.ts';
import { createSpooler } from '../../lib/spool/spooler.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { silentLogger } from '../support/silent-logger.ts';

const MAX_WAIT = 3000;

type Outcome = 'answered' | 'rejected' | 'abandoned';

interface Client {
  readonly id: number;
  readonly socket: Socket;
  /** What of its body has not been sent yet. */
  unsent: number;
  /** Settles when its connection has closed, with what came back. */
  readonly answer: Promise<string>;
  hasLeft: boolean;
}

/** A gate with a clock that only moves by hand, real sockets on one side, a backend on the other. */
async function start() {
  const clock = new FakeClock();
  const registry = new OpenRegistry(
    { logger: silentLogger, maxWait: MAX_WAIT, maxTime: 5 * MAX_WAIT, release: { perSecond: 5 } },
    clock,
  );
  const spooler = createSpooler(DEFAULT_SPOOL_SETTINGS, { warn: () => undefined });
  const pause = createPauseMiddleware(registry.core, spooler);
  const outcomes = new Map<string, Outcome[]>();
  const note = (path: string, outcome: Outcome): void => {
    outcomes.set(path, [...(outcomes.get(path) ?? []), outcome]);
  };
  const served: number[] = [];
  const arrivals = new Map<string, () => void>();
  const server = createServer((req, res) => {
    res.setHeader('Connection', 'close');
    pause(req, res, () => {
      served.push(Number(req.url?.slice(1)));
      note(req.url ?? '', 'answered');
      req.resume().on('end', () => res.end('served'));
    });
    // By now it has passed, is held, or has been refused.
    arrivals.get(req.url ?? '')?.();
  });
  registry.on('abandoned', ({ path }) => note(path, 'abandoned'));
  registry.on('rejected', ({ path }) => note(path, 'rejected'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { clock, registry, spooler, server, port, outcomes, served, arrivals };
}

type Site = Awaited<ReturnType<typeof start>>;

/** Until the server has taken in all that was sent, as the event loop goes. */
async function settle(until: () => boolean): Promise<void> {
  for (let turn = 0; turn < 20 || !until(); turn++) {
    if (turn > 5000) throw new Error('nothing settles');
    await new Promise(setImmediate);
  }
}

async function arrive(site: Site, id: number, body: number): Promise<Client> {
  const socket = net.connect(site.port, '127.0.0.1');
  socket.on('error', () => undefined);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  const answer = once(socket, 'close').then(() => text);
  const known = new Promise<void>((resolve) => site.arrivals.set(`/${id}`, resolve));
  socket.write(`POST /${id} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body}\r\n\r\n`);
  await known;
  return { id, socket, unsent: body, answer, hasLeft: false };
}

const action = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('arrive' as const),
      body: fc.constantFrom(0, 10, 200_000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('send' as const), who: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), who: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('enable' as const, 'disable' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('time' as const),
      ms: fc.constantFrom(100, 600, 6000),
    }),
  },
);

/** Sends half of what is left, or all of it. */
function send(client: Client, everything: boolean): void {
  if (client.hasLeft || client.unsent === 0 || client.socket.destroyed) return;
  const part = everything ? client.unsent : Math.ceil(client.unsent / 2);
  client.unsent -= part;
  client.socket.write(Buffer.alloc(part, 'x'));
}

describe('each request in a random run', () => {
  it('ends in exactly one way and in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 3, maxLength: 30 }), async (actions) => {
        const site = await start();
        const { registry, clock } = site;
        const clients: Client[] = [];
        const settled = (client: Client): boolean => site.outcomes.has(`/${client.id}`);
        const check = (): void => {
          const unsettled = clients.filter((client) => !settled(client)).length;
          expect(registry.status().held).toBe(unsettled);
        };
        try {
          for (const step of actions) {
            const any = 'who' in step ? clients[step.who % Math.max(1, clients.length)] : undefined;
            if (step.kind === 'arrive') clients.push(await arrive(site, clients.length, step.body));
            else if (step.kind === 'send' && any) send(any, false);
            else if (step.kind === 'leave' && any && !any.hasLeft) {
              const wasHeld = !settled(any);
              any.hasLeft = true;
              any.socket.resetAndDestroy();
              if (wasHeld) await settle(() => settled(any));
            } else if (step.kind === 'enable') await registry.enable();
            else if (step.kind === 'disable') await registry.disable();
            else if (step.kind === 'stop') await registry.stop();
            else if (step.kind === 'time') clock.advance(step.ms);
            await settle(() => true);
            check();
          }
          await registry.disable();
          // At its pace.
          while (registry.status().held > 0) clock.advance(200);
          for (const client of clients) send(client, true);
          await Promise.all(clients.map(({ answer }) => answer));
          await settle(() => registry.status().inFlight === 0);

          for (const client of clients) {
            const outcome = site.outcomes.get(`/${client.id}`);
            expect([client.id, outcome?.length]).toEqual([client.id, 1]);
            const text = await client.answer;
            if (client.hasLeft) continue;
            expect(text.slice(9, 12)).toBe(outcome?.[0] === 'answered' ? '200' : '503');
          }
          expect(site.served).toEqual([...site.served].sort((a, b) => a - b));
          expect(registry.status()).toMatchObject({ phase: 'running', held: 0, inFlight: 0 });
          // Files are deleted while the request is being served.
          await site.spooler.close();
          expect(site.spooler).toMatchObject({ bytes: 0, files: 0 });
        } finally {
          for (const { socket } of clients) socket.destroy();
          await registry.close();
          await site.spooler.close();
          site.server.close();
        }
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});
