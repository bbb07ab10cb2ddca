// A user without Express and its types.
import { createServer } from 'node:http';
import { AntractError, createAntract, type Antract, type AppStatus } from 'antract';
import { createGateway } from 'antract/gateway';

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
  const { outcome, stragglers } = await antract.drained('default', { timeout: '30s' });
  if (outcome !== 'drained') console.log(changed, held, stragglers[0]?.ageMs);
  return (await antract.disable()).status;
}

export const codeOf = (error: unknown) => (error instanceof AntractError ? error.code : undefined);

export const gateway: typeof createGateway = createGateway;
