/** An `EventSource` of a real browser reconnects by itself, whatever the gateway does to its stream. */
import { afterAll, afterEach, describe, expect, jest } from '@jest/globals';
import type { Page } from 'playwright-core';
import type { GatewayConfig } from '../../lib/gateway/server/gateway.ts';
import { closeBrowser, closePages, openPage } from '../support/browser.ts';
import { closeGateways, openGateway, type OpenGateway } from '../support/gateway.ts';
import { closeAll, listen } from '../support/http.ts';
import { itWith } from '../support/programs.ts';
import { nextEvent } from '../support/next-event.ts';

const itInBrowser = itWith('chromium', 'chromium');

afterEach(async () => {
  jest.restoreAllMocks();
  await closePages();
  await closeGateways();
  await closeAll();
});

afterAll(closeBrowser);

const PAGE = `<!doctype html><link rel="icon" href="data:,"><ol></ol><script>
  new EventSource('/events').onmessage = ({ data }) => {
    document.querySelector('ol').append(Object.assign(document.createElement('li'), { textContent: data }));
  };
</script>`;

/** A page that lists what its `EventSource` receives: one event for each connection. */
async function openSite(options: Partial<GatewayConfig> = {}) {
  let streams = 0;
  const backend = await listen((req, res) => {
    if (req.url === '/events') {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' });
      res.write(`retry: 20\ndata: stream ${++streams}\n\n`);
    } else res.writeHead(200, { 'Content-Type': 'text/html' }).end(PAGE);
  });
  const config = { target: backend.url, shutdownTimeout: '10s', ...options };
  const gateway = await openGateway(config);
  const { page } = await openPage(gateway.url);
  await shows(page, 'stream 1');
  return { gateway, page, config };
}

async function shows(page: Page, text: string): Promise<void> {
  await page.getByText(text, { exact: true }).waitFor({ timeout: 15_000 });
}

async function rejection({ antract }: OpenGateway): Promise<string> {
  const [{ reason }] = (await nextEvent(antract, 'rejected')) as [{ reason: string }];
  return reason;
}

describe('an EventSource in Chromium reconnects by itself', () => {
  itInBrowser('after its app was stopped and started', async () => {
    // The delay is five to ten seconds.
    jest.spyOn(Math, 'random').mockReturnValue(0);
    const { gateway, page } = await openSite();
    const rejected = rejection(gateway);
    await gateway.antract.stop();
    expect(await rejected).toBe('stopped');
    await gateway.antract.disable();
    await shows(page, 'stream 2');
  });

  itInBrowser('after it was held for too long', async () => {
    const { gateway, page } = await openSite({ maxWait: 50 });
    const rejected = rejection(gateway);
    await gateway.antract.enable('default', { maxTime: '1s' });
    expect(await rejected).toBe('timeout');
    await shows(page, 'stream 2');
  });

  itInBrowser('after the gateway was restarted while it was connected', async () => {
    const { gateway, page, config } = await openSite();
    await gateway.close();
    await openGateway({ ...config, port: gateway.port });
    await shows(page, 'stream 2');
  });

  itInBrowser('after the gateway was restarted while it was held', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(0);
    const { gateway, page, config } = await openSite();
    const held = nextEvent(gateway.antract, 'held');
    await gateway.antract.enable();
    await held;
    const rejected = rejection(gateway);
    await gateway.close();
    expect(await rejected).toBe('shutdown');
    await openGateway({ ...config, port: gateway.port });
    await shows(page, 'stream 2');
  });
});
