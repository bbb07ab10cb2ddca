/** The header by which a monitor tells a response of antract from a response of the backend. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { closeGateways, openGateway, type OpenGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import { closeRawBackends, rawBackend } from '../support/raw-backend.ts';
import type { GatewayConfig } from '../../lib/gateway/config/config.ts';

afterEach(async () => {
  await closeGateways();
  await closeAll();
  await closeRawBackends();
});

/** A gateway whose backend never answers. */
async function open(config: Partial<GatewayConfig> = {}): Promise<OpenGateway> {
  const { url } = await listen(() => undefined);
  return openGateway({ target: url, ...config });
}

const HANDSHAKE =
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

/** The head of the response to these bytes. */
async function headOf(port: number, bytes: string): Promise<string> {
  const socket = await connect(port);
  socket.write(bytes);
  const [head = ''] = (await readUntil(socket, (text) => text.includes('\r\n\r\n'))).split(
    '\r\n\r\n',
  );
  return head;
}

const marker = async (url: string, headers = {}): Promise<unknown> =>
  (await request(url, { headers })).headers['antract'];

describe('a response of antract is marked with the phase and the code:', () => {
  it('503 of a stopped app, to a request, a handshake, an EventSource and a browser', async () => {
    const { url, port, antract } = await open();
    await antract.stop();
    const stopped = 'phase=stopped, code=ERR_ANTRACT_STOPPED';
    expect(await marker(url)).toBe(stopped);
    expect(await marker(url, { Accept: 'text/event-stream' })).toBe(stopped);
    expect(await marker(url, { 'Sec-Fetch-Mode': 'navigate' })).toBe(stopped);
    expect(await headOf(port, HANDSHAKE)).toContain(`\r\nAntract: ${stopped}`);
  });

  it('503 of a paused app, also if its drain has not ended', async () => {
    const { url, antract } = await open({ maxQueue: 0 });
    await antract.enable();
    expect(await marker(url)).toBe('phase=paused, code=ERR_ANTRACT_FULL');
  });

  it('413, 502 and 504', async () => {
    const { url, antract } = await open({ proxyTimeout: 1, spool: { maxBody: 1 } });
    expect(await marker(url)).toBe('phase=running, code=ERR_ANTRACT_GATEWAY_TIMEOUT');
    await antract.enable();
    const large = await request(url, { method: 'POST', body: 'xx' });
    expect(large.headers['antract']).toBe('phase=paused, code=ERR_ANTRACT_BODY_TOO_LARGE');
    const { url: dead, server } = await listen(() => undefined);
    await new Promise((resolve) => server.close(resolve));
    const other = await openGateway({ target: dead, holdOnOutage: 0 });
    expect(await marker(other.url)).toBe('phase=running, code=ERR_ANTRACT_BAD_GATEWAY');
  });

  it('a health check that antract answers, which has no code', async () => {
    const { url, antract } = await open({ healthCheckPath: '/up', answerHealthChecks: true });
    await antract.enable();
    expect(await marker(`${url}/up`)).toBe('phase=paused');
  });

  it('a request that belongs to no app, which has no phase', async () => {
    const { url, port } = await openGateway({ apps: { shop: { target: 'http://127.0.0.1:1' } } });
    expect(await marker(url)).toBe('code=ERR_ANTRACT_UNKNOWN_HOST');
    expect(await marker(`${url}/_antract/nothing`)).toBe('code=ERR_ANTRACT_ADMIN_PATH');
    const unreadable = await headOf(port, 'GET\r\n\r\n');
    expect(unreadable).toMatch(/^HTTP\/1\.1 400 [^]*\r\nAntract: code=ERR_ANTRACT_UNREADABLE/);
  });
});

describe('a response of the backend is not marked,', () => {
  const FORGED = 'Antract: phase=stopped, code=ERR_ANTRACT_STOPPED\r\n';

  it('even if the backend sends such a header', async () => {
    const head = `HTTP/1.1 503 Busy\r\nX-Own: yes\r\n${FORGED}Content-Length: 0\r\n\r\n`;
    const { url } = await openGateway({ target: (await rawBackend(head)).url });
    const { status, headers } = await request(url);
    expect([status, headers['x-own'], headers['antract']]).toEqual([503, 'yes', undefined]);
  });

  it.each(['503 Busy', '101 Switching Protocols'])(
    'nor its response %s to a handshake',
    async (line) => {
      const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
      const head = `HTTP/1.1 ${line}\r\n${upgrade}X-Own: yes\r\n${FORGED}Content-Length: 0\r\n\r\n`;
      const { port } = await openGateway({ target: (await rawBackend(head)).url });
      const answer = await headOf(port, HANDSHAKE);
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${line}\r\n`));
      expect(answer).toMatch(/x-own: yes/i);
      expect(answer).not.toMatch(/^antract:/im);
    },
  );
});
