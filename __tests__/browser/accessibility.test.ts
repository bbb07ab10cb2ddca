/** The dashboard, checked by axe in each of its states, in light and in dark. Wants a fresh dist. */
import { once } from 'node:events';
import { source as axeSource, type AxeResults, type RunOptions } from 'axe-core';
import { afterAll, afterEach, describe, expect } from '@jest/globals';
import type { Page } from 'playwright-core';
import { closeBrowser, closePages, openPage } from '../support/browser.ts';
import { endAll, serve, type Serving } from '../support/cli.ts';
import { button, exactly, field, shows } from '../support/dashboard.ts';
import { closeAll, listen, request } from '../support/http.ts';
import { itWith } from '../support/programs.ts';

const itInBrowser = itWith('chromium', 'chromium');

/** By default axe does not check the size of buttons. */
const OPTIONS: RunOptions = { rules: { 'target-size': { enabled: true } } };

afterEach(async () => {
  await closePages();
  await endAll();
  await closeAll();
});

afterAll(closeBrowser);

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

interface Site extends Serving {
  page: Page;
  backend: Awaited<ReturnType<typeof listen>>;
}

async function command(page: Page, name: string): Promise<void> {
  await button(page, `${name}…`).click();
  await button(page, name).click();
}

async function pause({ page }: Site): Promise<void> {
  await command(page, 'Pause');
  await shows(field(page, 'phase'), exactly('paused'));
}

/** Sends a request whose answer the test does not wait for. */
function send({ url }: Site): void {
  request(url).catch(() => undefined);
}

const STATES: [name: string, enter: (site: Site) => Promise<unknown>][] = [
  ['an app that runs', async () => undefined],
  [
    'a drain that waits for a request',
    async (site) => {
      const arrived = once(site.backend.server, 'request');
      send(site);
      await arrived;
      await command(site.page, 'Pause');
      await shows(field(site.page, 'straggler-list'), 'GET /');
    },
  ],
  [
    'a pause with held requests',
    async (site) => {
      await pause(site);
      send(site);
      await shows(field(site.page, 'held'), exactly(1));
    },
  ],
  [
    'a backend that is down',
    async (site) => {
      await closeAll();
      send(site);
      await shows(field(site.page, 'phase'), exactly('Backend down'));
    },
  ],
  [
    'a release that waits for the backend',
    async (site) => {
      await pause(site);
      send(site);
      await shows(field(site.page, 'held'), exactly(1));
      await closeAll();
      await command(site.page, 'Resume');
      // The badge says `releasing` only until the first probe has failed.
      await shows(field(site.page, 'phase'), exactly('Backend down'));
    },
  ],
  [
    'an app that is stopped',
    async ({ page }) => {
      await command(page, 'Stop');
      await shows(field(page, 'phase'), exactly('stopped'));
    },
  ],
  ['the dialog of a stop', async ({ page }) => button(page, 'Stop…').click()],
  [
    'the dialog of a pause that has failed',
    async ({ page }) => {
      await button(page, 'Pause…').click();
      await page.getByLabel('At most').fill('soon');
      await button(page, 'Pause').click();
      await shows(page.locator('[data-part="failure"]'), '`max_time` to be a duration');
    },
  ],
  [
    'a lost connection to the gateway',
    async ({ page, cli }) => {
      cli.signalAll('SIGKILL');
      await page.getByText('Connection to the server lost').waitFor();
    },
  ],
];

describe('the dashboard', () => {
  itInBrowser.each(STATES)(
    'that shows %s has no violation that axe finds',
    async (_name, enter) => {
      // Leaves every request unanswered.
      const backend = await listen(() => undefined);
      const serving = await serve(['--target', backend.url, '--hold-on-outage', '0']);
      const { page } = await openPage(serving.adminUrl);
      await shows(field(page, 'phase'), exactly('running'));
      await enter({ ...serving, page, backend });
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        expect(await violations(page)).toEqual([]);
      }
    },
  );
});
