/** Where the gateway has its admin endpoints, and who can reach them. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createGateway, type GatewayConfig } from '../../lib/gateway/server/gateway.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request, type Answer } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';

const directories: string[] = [];

afterEach(async () => {
  await closeGateways();
  await closeAll();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

const target = 'http://127.0.0.1:9';

function socketPath(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'antract-'));
  directories.push(directory);
  return path.join(directory, 'admin.sock');
}

async function overSocket(
  file: string,
  url: string,
  headers = {},
): Promise<Pick<Answer, 'status' | 'body'>> {
  const client = http.get({ socketPath: file, path: url, headers, agent: false });
  const [res] = (await once(client, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of res) body += String(chunk);
  return { status: res.statusCode ?? 0, body };
}

async function echoBackend() {
  return listen((req, res) => res.end(`backend ${req.url}`));
}

describe('the admin endpoints on the public port', () => {
  it('are only under the admin path', async () => {
    const backend = await echoBackend();
    const { url, adminUrl } = await openGateway({ target: backend.url });
    expect(adminUrl).toBe(`${url}/_antract`);
    expect((await request(`${adminUrl}/status`)).body).toMatch(/^Pause is disabled\./);
    expect((await request(`${adminUrl}/enable`)).body).toMatch(/^Pause is enabled\./);
    expect((await request(`${adminUrl}/disable?app=default`)).body).toMatch(/^Pause is disabled\./);
    expect((await request(`${url}/_antracting`)).body).toBe('backend /_antracting');
    expect((await request(`${adminUrl}/nothing`)).status).toBe(404);
    expect((await request(`${adminUrl}?a`)).status).toBe(400);
    expect((await request(`${adminUrl}`)).body).toContain('/_antract/enable');
  });

  it('move with `adminPath`', async () => {
    const backend = await echoBackend();
    const { url, adminUrl } = await openGateway({ target: backend.url, adminPath: '/ops/pause' });
    expect(adminUrl).toBe(`${url}/ops/pause`);
    expect((await request(`${url}/ops/pause/status`)).body).toMatch(/^Pause is disabled\./);
    expect((await request(`${url}/_antract/status`)).body).toBe('backend /_antract/status');
  });

  it('do not exist with `adminPath: false`', async () => {
    const backend = await echoBackend();
    const { url, adminUrl } = await openGateway({ target: backend.url, adminPath: false });
    expect(adminUrl).toBeNull();
    expect((await request(`${url}/_antract/status`)).body).toBe('backend /_antract/status');
  });

  it('reject an absolute URL as the request target without a token', async () => {
    const { port, antract } = await openGateway({ target });
    const client = await connect(port);
    const answer = readUntil(client, (text) => text.includes('ERR_ANTRACT'));
    client.write(`GET http://localhost/_antract/enable HTTP/1.1\r\nHost: shop.example\r\n\r\n`);
    expect(await answer).toContain(' 403 ');
    expect(antract.status().phase).toBe('running');
  });

  it('require a token if one is set', async () => {
    const { adminUrl } = await openGateway({ target, adminToken: ['old', 'new'] });
    expect((await request(`${adminUrl}/status`)).status).toBe(401);
    const headers = { Authorization: 'Bearer new' };
    expect((await request(`${adminUrl}/status`, { headers })).status).toBe(200);
  });

  it('reject requests from another proxy without a token', async () => {
    const { adminUrl } = await openGateway({ target });
    const headers = { 'X-Forwarded-For': '192.0.2.1' };
    expect((await request(`${adminUrl}/enable`, { headers })).status).toBe(403);
  });
});

describe('the admin endpoints on a listener of their own', () => {
  it('are not on the public port', async () => {
    const backend = await echoBackend();
    const gateway = await openGateway({ target: backend.url, adminListen: '127.0.0.1:0' });
    expect(new URL(gateway.adminUrl as string).port).not.toBe(String(gateway.port));
    expect((await request(`${gateway.url}/_antract/enable`)).body).toBe('backend /_antract/enable');
    expect((await request(`${gateway.adminUrl}/enable`)).status).toBe(200);
    expect((await request(new URL('/', gateway.adminUrl as string).href)).status).toBe(404);
  });

  it('leave their path on the public port to the app, which can be paused', async () => {
    const backend = await echoBackend();
    const gateway = await openGateway({ target: backend.url, adminListen: '127.0.0.1:0' });
    await gateway.antract.enable();
    const held = nextEvent(gateway.antract, 'held');
    const answer = request(`${gateway.url}/_antract/status`);
    await held;
    await gateway.antract.disable();
    expect((await answer).body).toBe('backend /_antract/status');
  });

  it('can be a Unix socket, whose file controls access and is deleted at close', async () => {
    const file = socketPath();
    const gateway = await openGateway({ target, adminListen: file });
    expect(gateway.adminUrl).toBe(`unix:${file}`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await overSocket(file, '/_antract/enable')).body).toMatch(/^Pause is enabled\./);
    await gateway.close();
    expect(existsSync(file)).toBe(false);
  });

  it('require a token over a Unix socket if one is set', async () => {
    const file = socketPath();
    await openGateway({ target, adminListen: file, adminToken: 'secret' });
    expect((await overSocket(file, '/_antract/enable')).status).toBe(401);
    expect(
      (await overSocket(file, '/_antract/enable', { authorization: 'Bearer secret' })).status,
    ).toBe(200);
  });

  it('reject cross-site requests over a Unix socket', async () => {
    const file = socketPath();
    await openGateway({ target, adminListen: file });
    const headers = { 'sec-fetch-site': 'cross-site' };
    expect((await overSocket(file, '/_antract/enable', headers)).status).toBe(403);
  });

  it('replace the Unix socket of a dead process', async () => {
    const file = socketPath();
    // A process that ends closes its sockets without unlinking them; so does a handle that is leaked.
    const leftOver = createServer().listen(file);
    await once(leftOver, 'listening');
    const moved = `${file}.moved`;
    const { renameSync } = await import('node:fs');
    renameSync(file, moved);
    leftOver.close();
    await once(leftOver, 'close');
    renameSync(moved, file);
    await openGateway({ target, adminListen: file });
    expect((await overSocket(file, '/_antract/status')).status).toBe(200);
  });

  it('never replace a Unix socket in use, or any other file', async () => {
    const used = socketPath();
    await openGateway({ target, adminListen: used });
    const second = createGateway({ target, port: 0, adminListen: used });
    await expect(second.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect((await overSocket(used, '/_antract/status')).status).toBe(200);

    const file = socketPath();
    writeFileSync(file, 'precious');
    const third = createGateway({ target, port: 0, adminListen: file });
    await expect(third.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(statSync(file).size).toBe('precious'.length);
  });
});

describe('unprotected admin endpoints', () => {
  it.each<[string, GatewayConfig]>([
    ['all addresses', { host: '0.0.0.0' }],
    ['all IPv6 addresses', { host: '::' }],
    ['an address of the network', { host: '192.0.2.1' }],
    ['a name', { host: 'gateway.example' }],
    ['a listener of their own for all', { adminListen: '0.0.0.0:9000' }],
  ])('that other machines can reach are rejected on %s, with the reason', (_where, config) => {
    expect(() => createGateway({ target, ...config })).toThrow(
      expect.objectContaining({
        code: 'ERR_ANTRACT_ADMIN_EXPOSED',
        message: expect.stringContaining('could take the site down'),
      }),
    );
  });

  it.each<[string, GatewayConfig]>([
    ['with a token', { host: '0.0.0.0', adminToken: 'secret' }],
    ['with a function that decides', { host: '0.0.0.0', authorize: () => false }],
    ['with a loopback listener for them', { host: '0.0.0.0', adminListen: '127.0.0.1:0' }],
    ['with a Unix socket for them', { host: '0.0.0.0', adminListen: '/run/antract.sock' }],
    ['with a guarded listener for them', { adminListen: '0.0.0.0:0', adminToken: 'secret' }],
    ['without any', { host: '0.0.0.0', adminPath: false }],
    ['on loopback', { host: '::1' }],
    ['on localhost', { host: 'localhost' }],
  ])('are accepted %s', async (_how, config) => {
    await createGateway({ target, ...config }).close();
  });
});
