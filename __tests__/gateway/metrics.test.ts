/** What the gateway counts of requests that it proxies. */
import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { WebSocket, WebSocketServer } from 'ws';
import { closeGateways, openGateway, type OpenGateway } from '../support/gateway.ts';
import { until } from '../support/eventually.ts';
import { closeAll, listen, request } from '../support/http.ts';

afterEach(async () => {
  await closeGateways();
  await closeAll();
});

async function valueOf({ adminUrl }: OpenGateway, series: string): Promise<number> {
  const { body } = await request(`${adminUrl}/metrics`);
  const line = body.split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length));
}

const passed = (status: string): string =>
  `antract_requests_total{app="default",outcome="passed",status="${status}"}`;

describe('the metrics of a gateway', () => {
  it('have the time of the backend, and the class of each status', async () => {
    const backend = await listen((_req, res) => res.end('ok'));
    new WebSocketServer({ server: backend.server });
    const gateway = await openGateway({ target: backend.url, holdOnOutage: 0 });
    await request(gateway.url);
    const socket = new WebSocket(gateway.url.replace('http', 'ws'));
    await once(socket, 'open');
    socket.close();
    await until(async () => (await valueOf(gateway, passed('1xx'))) === 1);
    expect(await valueOf(gateway, passed('2xx'))).toBe(1);
    const answered = 'antract_backend_duration_seconds_count{app="default"}';
    expect(await valueOf(gateway, answered)).toBe(2);
    expect(await valueOf(gateway, answered.replace('count', 'sum'))).toBeGreaterThan(0);

    backend.server.close();
    backend.server.closeAllConnections();
    // An `EventSource` gets a 200, so that it reconnects.
    const rejected = await request(gateway.url, { headers: { accept: 'text/event-stream' } });
    expect(rejected.status).toBe(200);
    await until(async () => (await valueOf(gateway, passed('5xx'))) === 1);
    expect(await valueOf(gateway, answered)).toBe(2);
  });
});
