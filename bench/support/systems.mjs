/** The proxies that are compared. Each starts in front of a backend and returns its process and URL. */
import { once } from 'node:events';
import { openSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import {
  directory,
  freePort,
  isInstalled,
  start,
  startScript,
  waitUntilOpen,
} from './processes.mjs';

let files = 0;

function configFile(text) {
  const file = path.join(directory, `config-${++files}`);
  writeFileSync(file, text);
  return file;
}

/** A server of `processes/server.mjs`. */
export const server =
  (name, execArgv = []) =>
  async (backend = '') => {
    const env = { BACKEND: backend };
    const { child, ready } = await startScript('server', [name], { execArgv, env });
    return { pid: child.pid, child, url: `http://127.0.0.1:${ready.port}/` };
  };

/** `antract serve`, as an operator starts it. */
export const serve =
  (...flags) =>
  async (backend) => {
    const port = await freePort();
    const bin = new URL('../../dist/cli.js', import.meta.url).pathname;
    const args = [bin, 'serve', '--target', backend, '--port', String(port), ...flags];
    // The access log goes to standard output, here a file; everything else to standard error.
    const log = openSync(path.join(directory, `access-log-${++files}`), 'w');
    const child = start(process.execPath, args, { stdio: ['ignore', log, 'pipe'] });
    let messages = '';
    createInterface(child.stderr).on('line', (line) => (messages += `${line}\n`));
    await Promise.race([
      waitUntilOpen(port),
      once(child, 'exit').then(() => {
        throw new Error(`antract serve has ended:\n${messages}`);
      }),
    ]);
    return { pid: child.pid, child, url: `http://127.0.0.1:${port}/` };
  };

const nginxConfig = (port, location, workers) => `
daemon off; pid ${directory}/nginx-${port}.pid; worker_processes ${workers};
error_log ${directory}/nginx-error.log;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 1000000;
  client_body_temp_path ${directory}/nginx-body; proxy_temp_path ${directory}/nginx-proxy;
  fastcgi_temp_path ${directory}/nginx-f; uwsgi_temp_path ${directory}/nginx-u; scgi_temp_path ${directory}/nginx-s;
  ${location}
}`;

async function nginx(port, location, workers) {
  const child = start('nginx', ['-c', configFile(nginxConfig(port, location, workers))]);
  await waitUntilOpen(port);
  return { pid: child.pid, child, url: `http://127.0.0.1:${port}/` };
}

/** A backend that answers at once: nginx with `return 200`, or `node:http` if nginx is not installed. */
export async function startBackend() {
  if (!isInstalled('nginx')) return { name: 'node:http', ...(await server('plain')()) };
  const port = await freePort();
  const location = `server { listen 127.0.0.1:${port}; location / { return 200 "ok"; } }`;
  return { name: 'nginx, return 200', ...(await nginx(port, location, 1)) };
}

const nginxProxy = async (backend) => {
  const port = await freePort();
  return nginx(
    port,
    `upstream backend { server ${new URL(backend).host}; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }`,
    2,
  );
};

const haproxy = async (backend) => {
  const port = await freePort();
  const file = configFile(`
global
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen proxy
  bind 127.0.0.1:${port}
  http-reuse always
  server backend ${new URL(backend).host}
`);
  const child = start('haproxy', ['-db', '-f', file]);
  await waitUntilOpen(port);
  return { pid: child.pid, child, url: `http://127.0.0.1:${port}/` };
};

/** @param directives of `reverse_proxy`. */
export const caddy =
  (...directives) =>
  async (backend) => {
    const port = await freePort();
    const file = configFile(`
{
  admin off
}
http://127.0.0.1:${port} {
  reverse_proxy ${new URL(backend).host} {
    ${directives.join('\n    ')}
  }
}
`);
    const args = ['run', '--adapter', 'caddyfile', '--config', file];
    const child = start('caddy', args, { env: { ...process.env, HOME: directory } });
    await waitUntilOpen(port);
    return { pid: child.pid, child, url: `http://127.0.0.1:${port}/` };
  };

/** Other proxies, of which those that are installed take part. */
export const OTHER_PROXIES = [
  ['Caddy', 'caddy', caddy()],
  ['HAProxy', 'haproxy', haproxy],
  ['nginx, upstream keep-alive', 'nginx', nginxProxy],
].flatMap(([name, command, begin]) => (isInstalled(command) ? [{ name, begin }] : []));

/** Sends a command to the admin endpoints of `antract serve`: `enable` pauses, `disable` resumes. */
export async function command(gateway, name) {
  const response = await fetch(`${gateway.url}_antract/${name}`, { method: 'POST' });
  if (!response.ok) throw new Error(`${name}: ${response.status} ${await response.text()}`);
}

/** Resolves when the status of a gateway matches. */
export async function untilStatus(gateway, matches, what) {
  const headers = { Accept: 'application/json' };
  for (const end = Date.now() + 60_000; Date.now() < end; await wait(50)) {
    const response = await fetch(`${gateway.url}_antract/status`, { headers });
    if (matches(await response.json())) return;
  }
  throw new Error(`${what}: not so after 60 s.`);
}
