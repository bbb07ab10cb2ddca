/** The page for a browser that is held for a while: it reloads itself into the queue. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/common/clock.ts';
import type { AntractOptions } from '../../lib/options/options.ts';
import { closeAll, listen, request, type RequestOptions } from '../support/http.ts';
import { untilHeld } from '../support/next-event.ts';
import { createOpenAntract } from '../support/open-registry.ts';
import { silentLogger } from '../support/silent-logger.ts';

afterEach(closeAll);

const BROWSER = { 'Sec-Fetch-Mode': 'navigate' };

async function start(options: AntractOptions = {}) {
  const clock = { ...systemClock, random: () => 0 };
  const antract = createOpenAntract({ logger: silentLogger, pageAfter: 1, ...options }, clock);
  const pause = antract.pause();
  const admin = antract.admin();
  const { url } = await listen((req, res) => {
    if (req.url?.startsWith('/_antract')) {
      Object.assign(req, { originalUrl: req.url, url: req.url.slice('/_antract'.length) });
      admin(req, res);
    } else pause(req, res, () => res.end('served'));
  });
  return { antract, url };
}

describe('the waiting page', () => {
  it('is a 503 that reloads itself soon, and says since when and until when', async () => {
    const { antract, url } = await start();
    await antract.enable('default', { expect: '2m' });
    const headers = { ...BROWSER, 'Accept-Language': 'de' };
    const { status, headers: sent, body } = await request(url, { headers });
    expect(status).toBe(503);
    expect(sent).toMatchObject({
      'retry-after': '120',
      refresh: '2',
      'cache-control': 'no-store',
      antract: 'phase=paused, code=ERR_ANTRACT_WAITING_PAGE',
    });
    expect(body).toContain('<html lang="de">');
    expect(body).toContain('Einen Moment bitte');
    expect(body).toMatch(/<p>Beginn: .*<br>Voraussichtliches Ende: in 2 Minuten<\/p>/);
    expect(body).not.toContain('<script');
  });

  it.each<[string, RequestOptions]>([
    ['an API client', { headers: { Accept: 'application/json' } }],
    ['an asset', { headers: { 'Sec-Fetch-Mode': 'no-cors', Accept: 'text/html' } }],
    ['a form', { headers: BROWSER, method: 'POST', body: 'a=1' }],
    ['HEAD', { headers: BROWSER, method: 'HEAD' }],
    ['a GET with a body', { headers: { ...BROWSER, 'Content-Length': 3 }, body: 'a=1' }],
    ['an upgrade', { headers: { ...BROWSER, Upgrade: 'h2c', Connection: 'Upgrade' } }],
  ])('is not for %s, which keeps waiting', async (_name, options) => {
    const { antract, url } = await start();
    await antract.enable();
    const answer = request(url, options);
    await untilHeld(antract, 1);
    // Arrived later, and gets the page.
    expect((await request(url, { headers: BROWSER })).status).toBe(503);
    expect(antract.status().held).toBe(1);
    await antract.disable();
    expect((await answer).status).toBe(200);
  });

  it('is counted by itself, not as a rejection, in the report and in the metrics', async () => {
    const { antract, url } = await start();
    await antract.enable();
    await request(url, { headers: BROWSER });
    expect(antract.report()).toMatchObject({ held: 1, rejected: 0, waitingPages: 1 });
    const { body } = await request(`${url}/_antract/metrics`);
    expect(body).toContain(
      'antract_requests_total{app="default",outcome="waiting-page",status="5xx"} 1',
    );
    expect(body).toContain(
      'antract_requests_total{app="default",outcome="rejected",status="5xx"} 0',
    );
    expect((await request(`${url}/_antract/report`)).body).toContain('Waiting pages: 1\n');
  });
});
