// A user without Express and its types.
import { createServer } from 'node:http';
import { AntractError, createAntract, MemoryStore, type Antract, type AppStatus } from 'antract';
import { createGateway } from 'antract/gateway';
import { RedisStore, type RedisClient } from 'antract/redis';
import { storeContract } from 'antract/store-contract';

const antract: Antract = createAntract({ maxTime: '5m', release: { concurrency: 10 } });
const pause = antract.pause({ app: (req) => req.headers.host });
export const server = createServer((req, res) => pause(req, res, () => res.end('let through')));

antract.on('held', ({ app, path }) => console.log(app.toUpperCase(), path.length));
// @ts-expect-error There is no such event.
antract.on('hold', () => {});
// @ts-expect-error Durations are numbers or strings.
createAntract({ maxTime: true });

export async function migrate(): Promise<AppStatus> {
  const { changed, held } = await antract.enable('default', { maxTime: 60_000, reason: 'upgrade' });
  const { outcome, stragglers } = await antract.waitForDrain('default', { timeout: '30s' });
  if (outcome !== 'drained') console.log(changed, held, stragglers[0]?.ageMs);
  return (await antract.disable()).status;
}

export const codeOf = (error: unknown) => (error instanceof AntractError ? error.code : undefined);

export const gateway: typeof createGateway = createGateway;

export const redis = (client: RedisClient) => new RedisStore({ client, prefix: 'site' });
// @ts-expect-error Not what talks to Redis.
new RedisStore({ client: {} });

export const test = (describe: (name: string, body: () => void) => void) =>
  storeContract(
    'MemoryStore',
    async () => ({ stores: [new MemoryStore()], close: async () => {} }),
    { describe, it: (name, body) => console.log(name, body), lacks: ['close'] },
  );
