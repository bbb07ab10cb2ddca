/** A real browser that is held: it shows the waiting page until the app answers, without JavaScript. */
import { afterAll, afterEach, describe, expect, jest } from '@jest/globals';
import type { LineStream } from '../../lib/gateway/server/gateway.ts';
import { closeBrowser, closePages, openPage } from '../support/browser.ts';
import { until } from '../support/eventually.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, listen } from '../support/http.ts';
import { untilHeld } from '../support/next-event.ts';
import { itWith } from '../support/programs.ts';

const itInBrowser = itWith('chromium', 'chromium');

afterEach(async () => {
  jest.restoreAllMocks();
  await closePages();
  await closeGateways();
  await closeAll();
});

afterAll(closeBrowser);

describe('a browser that is held for `pageAfter`', () => {
  itInBrowser('shows the waiting page, waits in the queue, and then shows the app', async () => {
    // The page then reloads itself after two seconds.
    jest.spyOn(Math, 'random').mockReturnValue(0);
    const lines: string[] = [];
    const accessLog: LineStream = { write: (text) => lines.push(text) };
    const backend = await listen((_req, res) => {
      res.writeHead(200, { 'Content-Type': 'text/html' });
      res.end('<!doctype html><link rel="icon" href="data:,"><h1>The app</h1>');
    });
    const gateway = await openGateway({ target: backend.url, pageAfter: 1000, accessLog });
    await gateway.antract.enable('default', { expect: '5m' });
    const { page, complaints, requests } = await openPage(gateway.url, {
      javaScriptEnabled: false,
      locale: 'fr',
    });
    expect(await page.locator('h1').textContent()).toBe("Un instant, s'il vous plaît");
    expect(await page.locator('html').getAttribute('lang')).toBe('fr');
    expect(await page.content()).toContain('Fin prévue&nbsp;: dans 5 minutes');
    // The page has reloaded itself.
    await untilHeld(gateway.antract, 1);
    await gateway.antract.disable();
    await page.getByText('The app').waitFor();
    // An icon would be held, too.
    expect(requests.filter((line) => line.includes('favicon'))).toEqual([]);
    expect(gateway.antract.report()).toMatchObject({
      rejected: 0,
      abandoned: 0,
      released: 1,
      waitingPages: 1,
    });
    await until(() => lines.join('').includes('"status":200'));
    expect(lines.join('')).toContain('"code":"ERR_ANTRACT_WAITING_PAGE"');
    // Chromium reports each response with an error status.
    expect(complaints.filter((text) => !text.includes('status of 503'))).toEqual([]);
  });
});
