/** The dashboard, checked by axe in each of its states, in light and in dark. */
import { once } from 'node:events';
import { source as axeSource, type AxeResults, type RunOptions } from 'axe-core';
import { afterAll, afterEach, beforeAll, describe, expect } from '@jest/globals';
import type { Page } from 'playwright-core';
import { closeBrowser, closePages, openPage } from '../support/browser.ts';
import { button, command, exactly, field, part, shows } from '../support/dashboard.ts';
import { closeGateways, openGateway, type OpenGateway } from '../support/gateway.ts';
import { closeAll, listen, request } from '../support/http.ts';
import { itWith } from '../support/programs.ts';

const itInBrowser = itWith('chromium', 'chromium');

/** By default axe does not check the size of buttons. */
const OPTIONS: RunOptions = { rules: { 'target-size': { enabled: true } } };

/** What axe finds: the rule and the elements that break it. */
async function violations(page: Page): Promise<string[]> {
  // Not a script of the page: its Content-Security-Policy would refuse it.
  await page.evaluate(axeSource);
  const found = await page.evaluate<AxeResults>(`axe.run(document, ${JSON.stringify(OPTIONS)})`);
  // Without this, a page on which axe checks nothing would pass.
  expect(found.passes.map(({ id }) => id)).toContain('color-contrast');
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
  );
}

async function expectNoViolations(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    expect(await violations(page)).toEqual([]);
  }
}

interface Site {
  readonly gateway: OpenGateway;
  readonly page: Page;
  readonly backend: Awaited<ReturnType<typeof listen>>;
}

async function openSite(): Promise<Site> {
  // Leaves requests for /slow unanswered.
  const backend = await listen((req, res) => {
    if (req.url !== '/slow') res.end('hello');
  });
  const apps = { shop: { target: backend.url, hosts: ['127.0.0.1'] } };
  const gateway = await openGateway({ apps, holdOnOutage: 0 });
  const { page } = await openPage(gateway.adminUrl as string);
  await shows(field(page, 'phase'), exactly('running'));
  return { gateway, page, backend };
}

async function closeSites(): Promise<void> {
  await closePages();
  await closeGateways();
  await closeAll();
}

afterAll(closeBrowser);

/** Sends a request whose answer the test does not wait for. */
function send({ gateway }: Site, path = '/'): void {
  request(gateway.url + path).catch(() => undefined);
}

const STATES: [name: string, enter: (site: Site) => Promise<unknown>][] = [
  [
    'an app with traffic',
    async ({ gateway, page }) => {
      await request(gateway.url);
      await shows(field(page, 'latency'), 'ms');
    },
  ],
  [
    'a pause with held requests near their limit',
    async (site) => {
      const { gateway, page } = site;
      await gateway.antract.enable('shop', { reason: 'migration', maxTime: '15s' });
      send(site);
      await shows(field(page, 'held'), exactly(1));
      await page.locator('[data-level="critical"]').waitFor();
    },
  ],
  [
    'a report after a pause',
    async ({ gateway, page }) => {
      await gateway.antract.enable('shop');
      await gateway.antract.disable('shop');
      await shows(field(page, 'report'), 'no request was held');
    },
  ],
  [
    'an app that is stopped',
    async ({ gateway, page }) => {
      await gateway.antract.stop('shop');
      await shows(field(page, 'phase'), exactly('stopped'));
    },
  ],
  ['the dialog of a stop', async ({ page }) => button(page, 'Stop…').click()],
  [
    'the dialog of a pause that has failed',
    async ({ page }) => {
      await button(page, 'Pause…').click();
      await page.getByLabel('Longest duration').fill('soon');
      await button(page, 'Pause').click();
      await part(page, 'failure').waitFor();
    },
  ],
  [
    'a command that gets no answer',
    async ({ page }) => {
      await page.route('**/enable', () => undefined);
      await command(page, 'Pause');
      await shows(part(page, 'late'), '--admin-listen');
    },
  ],
  [
    'a compact row',
    async ({ page }) => {
      await button(page, 'shop').click();
      await field(page, 'more').waitFor({ state: 'hidden' });
    },
  ],
  [
    'a drain that waits for a request',
    async (site) => {
      const { page, backend } = site;
      await button(page, 'shop').click();
      const arrived = once(backend.server, 'request');
      send(site, '/slow');
      await arrived;
      await command(page, 'Pause');
      await shows(field(page, 'straggler-list'), 'GET /slow');
    },
  ],
];

describe('the dashboard', () => {
  let site: Site;

  beforeAll(async () => {
    site = await openSite();
  });

  afterEach(async () => {
    const { gateway, page } = site;
    await page.unrouteAll();
    await page.keyboard.press('Escape');
    await gateway.antract.disable('shop');
    await shows(field(page, 'phase'), exactly('running'));
  });

  afterAll(closeSites);

  itInBrowser.each(STATES)(
    'that shows %s has no violation that axe finds',
    async (_name, enter) => {
      await enter(site);
      await expectNoViolations(site.page);
    },
  );
});

describe('the dashboard', () => {
  afterEach(closeSites);

  itInBrowser(
    'that shows a backend that is down, and then a lost connection, has no violation that axe finds',
    async () => {
      const site = await openSite();
      const { gateway, page } = site;
      await closeAll();
      await request(gateway.url);
      await shows(field(page, 'phase'), exactly('backend down'));
      await expectNoViolations(page);
      await gateway.antract.enable('shop');
      send(site);
      await shows(field(page, 'held'), exactly(1));
      await gateway.antract.disable('shop');
      await page.locator('article[data-phase="releasing"][data-alarming]').waitFor();
      await expectNoViolations(page);
      await gateway.close();
      await shows(field(page, 'details'), 'The release continues without this page');
      await expectNoViolations(page);
    },
    40_000,
  );

  itInBrowser('that asks for the token has no violation that axe finds', async () => {
    const { url: target } = await listen((_req, res) => void res.end());
    const { adminUrl } = await openGateway({ target, adminToken: 'a secret' });
    const { page } = await openPage(adminUrl as string);
    await page.getByLabel('Admin token').fill('wrong');
    await button(page, 'Log in').click();
    await page.getByText('does not accept this token').waitFor();
    await expectNoViolations(page);
  });
});
