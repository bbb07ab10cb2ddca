/**
 * A backend to try things with: answers each request with a few lines about itself, in the format of
 * the plain text demo that nginx has. Knows nothing of gateways.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { hostname } from 'node:os';
import { systemClock } from '../../common/clock.ts';

export function createDemoBackend(): Server {
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
  // oxlint-disable-next-line no-restricted-globals -- Formats a time, and asks for none.
  const [, day, month, year, time] = new Date(ms).toUTCString().split(' ');
  return `${day}/${month}/${year}:${time} +0000`;
}
