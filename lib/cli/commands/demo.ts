/** `antract demo`: runs a gateway in front of a small backend, and prints what to try with curl. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { hostname } from 'node:os';
import { InvalidArgumentError, type Command } from 'commander';
import { systemClock } from '../../common/clock.ts';
import { stderrLogger } from '../log.ts';
import { runGateway } from '../run-gateway.ts';

const HOST = '127.0.0.1';

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('Run a gateway with a small demo backend.')
    .option('--port <number>', 'port of the gateway', parsePort, 8082)
    .option('--backend-port <number>', 'port of the backend', parsePort, 8083)
    .action(async ({ port, backendPort }: { port: number; backendPort: number }) => {
      const backend = createDemoBackend();
      backend.listen(backendPort, HOST);
      await once(backend, 'listening');
      const target = `http://${HOST}:${(backend.address() as { port: number }).port}`;
      const closeBackend = async (): Promise<void> => {
        backend.close();
        backend.closeAllConnections();
      };
      try {
        const { url, adminUrl } = await runGateway(
          { target, port, host: HOST, accessLog: process.stdout, logger: stderrLogger },
          closeBackend,
        );
        console.log(walkThrough(url, adminUrl as string, target));
      } catch (error) {
        await closeBackend();
        throw error;
      }
    });
}

function walkThrough(url: string, adminUrl: string, target: string): string {
  return `The gateway listens on ${url}, its backend on ${target}.

In a second terminal:
  curl ${url}/                  responds at once
  curl '${adminUrl}/enable?wait=30s'   pauses, and waits until the backend is idle
  curl ${url}/                  waits

In a third terminal:
  curl ${adminUrl}/status     shows how many requests are held
  curl ${adminUrl}/disable    releases them

Ctrl-C ends both. The access log of the gateway follows.
`;
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('Expected a port from 0 to 65535.');
}

/** Answers in the format of nginx's plain text demo. */
function createDemoBackend(): Server {
  return createServer((req, res) => {
    const body = describe(req);
    res.setHeader('Content-Type', 'text/plain');
    res.setHeader('Content-Length', Buffer.byteLength(body));
    res.setHeader('Cache-Control', 'no-cache');
    res.end(req.method === 'HEAD' ? undefined : body);
  });
}

function describe({ socket, url }: IncomingMessage): string {
  return [
    `Server address: ${socket.localAddress}:${socket.localPort}`,
    `Server name: ${hostname()}`,
    `Date: ${formatDate(systemClock.date())}`,
    `URI: ${url}`,
    `Request ID: ${randomBytes(16).toString('hex')}`,
    '',
  ].join('\n');
}

/** As in `14/Nov/2023:11:16:38 +0000`. */
function formatDate(ms: number): string {
  // oxlint-disable-next-line no-restricted-globals -- Formats a given time.
  const [, day, month, year, time] = new Date(ms).toUTCString().split(' ');
  return `${day}/${month}/${year}:${time} +0000`;
}
