// What the package's own files and its optional peer dependency come to where it is installed.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createAntract } from 'antract';

const router = createAntract({ logger: { info() {}, warn() {}, error() {} } }).admin();
const server = createServer((req, res) => router(req, res)).listen(0, '127.0.0.1');
await once(server, 'listening');
const admin = `http://127.0.0.1:${server.address().port}/`;

const page = await (await fetch(admin, { headers: { accept: 'text/html' } })).text();
const metrics = await fetch(`${admin}metrics`);
console.log(
  JSON.stringify({
    dashboard: ['uPlot', 'TextDecoderStream', 'data-phase'].every((part) => page.includes(part)),
    metrics: [metrics.status, (await metrics.text()).split('\n')],
  }),
);
server.close();
server.closeAllConnections();
