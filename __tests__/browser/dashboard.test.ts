/** The dashboard, driven in a real browser before a real gateway process. Wants a fresh dist. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect } from '@jest/globals';
import type { Snapshot } from '../../lib/admin/dashboard/status.d.ts';
import type { AppStatus } from '../../lib/index.ts';
import { closeBrowser, closePages, openPage, PLAIN_HOST } from '../support/browser.ts';
import { endAll, serve, type Serving } from '../support/cli.ts';
import { button, card, exactly, field, shows } from '../support/dashboard.ts';
import { closeAll, listen, request, type Answer } from '../support/http.ts';
import { itWith } from '../support/programs.ts';

// The page has types of its own; compiles as long as what the server sends fits them.
({}) as AppStatus satisfies Snapshot['apps'][0];

const itInBrowser = itWith('chromium', 'chromium');

/** What the backend was asked for, and what it has not answered yet. */
let asked: string[];
let open: Map<string, ServerResponse>;
let target: string;
let wake: () => void;

beforeEach(async () => {
  asked = [];
  open = new Map();
  wake = () => undefined;
  ({ url: target } = await listen((req, res) => {
    const url = req.url as string;
    asked.push(url);
    if (url.startsWith('/slow')) open.set(url, res);
    else res.end('hello');
    wake();
  }));
});

afterEach(async () => {
  await closePages();
  await endAll();
  await closeAll();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

afterAll(closeBrowser);

const folders: string[] = [];

async function configFile(config: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'antract-dashboard-'));
  folders.push(folder);
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  return join(folder, 'config.json');
}

async function arrived(url: string): Promise<void> {
  while (!asked.includes(url)) await new Promise<void>((resolve) => (wake = resolve));
}

/** Sends requests that the gateway is to hold. */
function hold({ url }: Serving, count: number): Promise<Answer>[] {
  const answers = Array.from({ length: count }, () => request(url));
  for (const answer of answers) answer.catch(() => undefined);
  return answers;
}

describe('the dashboard', () => {
  itInBrowser('pauses, shows the count rise, resumes, and shows it fall', async () => {
    const serving = await serve(['--target', target]);
    const { page, complaints, requests } = await openPage(serving.adminUrl);
    await shows(field(page, 'phase'), 'running');
    await shows(page.getByRole('status').first(), 'live');

    await button(page, 'Pause…').click();
    await page.getByLabel('Reason').fill('migration');
    await button(page, 'Pause').click();
    await shows(field(page, 'phase'), exactly('paused'));
    await shows(field(page, 'details'), 'Reason: migration');
    await shows(field(page, 'ends'), /^[45]:\d\d$/);
    const first = hold(serving, 3);
    await shows(field(page, 'held'), exactly(3));
    const second = hold(serving, 4);
    await shows(field(page, 'held'), exactly(7));
    await shows(field(page, 'oldest'), /^[\d.]+ m?s$/);
    expect(await page.title()).toBe('paused, 7 held · antract');

    await button(page, 'Resume…').click();
    await shows(page.locator('#dialog-text'), '7 held requests first');
    await button(page, 'Resume').click();
    await shows(field(page, 'phase'), exactly('running'));
    await shows(field(page, 'held'), exactly(0));
    await shows(page.locator('[data-part="outcome"]'), 'Pause is disabled. 7 requests were held');
    const answers = await Promise.all([...first, ...second]);
    expect(answers.map(({ body }) => body)).toEqual(Array.from({ length: 7 }, () => 'hello'));

    // Nothing was refused by the policy, nothing asked for elsewhere, and nothing of the backend.
    expect(complaints).toEqual([]);
    expect(requests.filter((each) => !each.includes(` ${serving.adminUrl}`))).toEqual([]);
    expect(asked).toEqual(Array.from({ length: 7 }, () => '/'));
  });

  itInBrowser('draws the state that the server sends', async () => {
    const serving = await serve(['--target', target]);
    const { page } = await openPage(serving.adminUrl);
    await page.locator('.chart canvas').waitFor();
    // Of the held line's colour, which has much more red in it than blue.
    const drawn = (): Promise<number> =>
      page.evaluate(`(() => {
        const canvas = document.querySelector('.chart canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let pixels = 0;
        for (let i = 0; i < data.length; i += 4) {
          if (data[i] > data[i + 2] + 60 && data[i + 3] > 200) pixels++;
        }
        return pixels;
      })()`);
    const before = await drawn();
    await button(page, 'Pause…').click();
    await button(page, 'Pause').click();
    void hold(serving, 20);
    await shows(field(page, 'held'), exactly(20));
    for (let after = before; after <= before + 20; after = await drawn()) {
      await page.waitForTimeout(50);
    }
  });

  itInBrowser(
    'says that the backend is down, why, and what happens next, until it answers',
    async () => {
      const down = await listen((_req, res) => void res.end());
      const { port } = down;
      await closeAll();
      const serving = await serve(['--target', down.url, '--hold-on-outage', '1s']);
      const { page, complaints } = await openPage(serving.adminUrl);
      await shows(field(page, 'phase'), exactly('running'));
      const answer = request(serving.url);
      // Held for it first: amber.
      await page.locator('article[data-phase="releasing"][data-backend="down"]').waitFor();
      await shows(field(page, 'details'), 'Held requests wait until the backend answers');
      expect((await answer).status).toBe(502);
      await page.locator('article[data-phase="running"][data-backend="down"]').waitFor();
      await shows(field(page, 'phase'), exactly('Backend down'));
      const details = field(page, 'details').getByRole('listitem');
      await shows(details, exactly('The backend is down: connection refused .ECONNREFUSED.\\.'));
      expect(await details.allTextContents()).toEqual([
        'The backend is down: connection refused (ECONNREFUSED).',
        'Requests are passed on, and fail until the backend answers. It is probed meanwhile.',
      ]);
      expect(await page.title()).toBe('Backend down, 0 held · antract');
      // In a pause that is expected.
      await button(page, 'Pause…').click();
      await button(page, 'Pause').click();
      await shows(field(page, 'phase'), exactly('paused'));
      await page.locator('article[data-backend=""]').waitFor();
      const back = createServer((_req, res) => void res.end('back')).listen(port, '127.0.0.1');
      await once(back, 'listening');
      await button(page, 'Resume…').click();
      await button(page, 'Resume').click();
      await shows(field(page, 'phase'), exactly('running'));
      await field(page, 'details').waitFor({ state: 'hidden' });
      expect(complaints).toEqual([]);
      back.close();
    },
  );

  itInBrowser('names the requests that a drain waits for', async () => {
    const serving = await serve(['--target', target]);
    const { page } = await openPage(`${serving.adminUrl}/`);
    const slow = request(`${serving.url}/slow/import?secret=1`, { method: 'PUT' });
    await arrived('/slow/import?secret=1');
    await button(page, 'Pause…').click();
    await button(page, 'Pause').click();
    await shows(field(page, 'phase'), exactly('pausing'));
    await shows(field(page, 'details'), 'Draining: 1 request still in flight.');
    await shows(field(page, 'straggler-list'), /^PUT \/slow\/import[\d.]+ m?s$/);
    // Time goes on also where there is no news.
    serving.cli.signalAll('SIGSTOP');
    const shown = await field(page, 'straggler-list').innerText();
    const [, age = '0'] = /import(\d+)[.\d]* s$/.exec(shown) ?? [];
    const later = [3, 4, 5, 6].map((more) => Number(age) + more).join('|');
    await shows(field(page, 'straggler-list'), new RegExp(`import(${later})(\\.\\d+)? s$`));
    serving.cli.signalAll('SIGCONT');
    open.get('/slow/import?secret=1')?.end('done');
    await shows(field(page, 'phase'), exactly('paused'));
    expect(await field(page, 'stragglers').isVisible()).toBe(false);
    await shows(
      page.locator('[data-part="announcement"]'),
      /^App default is paused: 0 held, 0 in flight, .* Drained: nothing is in flight\. New requests are held\.$/,
    );
    expect((await slow).body).toBe('done');
  });

  itInBrowser('stops and resumes the app, and describes the effect before', async () => {
    const serving = await serve(['--target', target]);
    const { page } = await openPage(serving.adminUrl);
    await button(page, 'Stop…').click();
    await shows(page.locator('#dialog-text'), 'Requests will be answered 503 at once');
    await button(page, 'Cancel').click();
    expect((await request(serving.url)).status).toBe(200);
    await button(page, 'Stop…').click();
    await page.getByLabel('Message').fill('Back at nine.');
    await button(page, 'Stop').click();
    await shows(field(page, 'phase'), exactly('stopped'));
    await shows(field(page, 'details'), 'The stop does not end by itself.');
    await shows(field(page, 'details'), 'Clients are told: Back at nine.');
    expect((await request(serving.url)).status).toBe(503);
    await button(page, 'Resume…').click();
    await button(page, 'Resume').click();
    await shows(field(page, 'phase'), exactly('running'));
  });

  itInBrowser('stops the app for a time, and shows when that ends', async () => {
    const serving = await serve(['--target', target]);
    const { page } = await openPage(serving.adminUrl);
    await button(page, 'Stop…').click();
    await page.getByLabel('Resume after').fill('2s');
    await button(page, 'Stop').click();
    await shows(field(page, 'phase'), exactly('stopped'));
    await shows(field(page, 'ends'), /^0:0[0-2]$/);
    await shows(field(page, 'phase'), exactly('running'));
  });

  itInBrowser('shows why a command failed, and keeps the dialog open', async () => {
    const serving = await serve(['--target', target]);
    const { page } = await openPage(serving.adminUrl);
    await button(page, 'Pause…').click();
    await page.getByLabel('At most').fill('soon');
    await button(page, 'Pause').click();
    await shows(page.locator('[data-part="failure"]'), '`max_time` to be a duration');
    await page.getByLabel('At most').fill('2s');
    await button(page, 'Pause').click();
    await shows(field(page, 'phase'), exactly('paused'));
    // Counted down here, and ended by itself there.
    await shows(field(page, 'ends'), /^0:0[0-2]$/);
    await shows(field(page, 'phase'), exactly('running'));
  });

  itInBrowser('can be used by keyboard alone', async () => {
    const serving = await serve(['--target', target]);
    const { page } = await openPage(serving.adminUrl);
    await shows(field(page, 'phase'), 'running');
    const focused = (): Promise<string | null> => page.locator(':focus').textContent();

    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Pause…');
    const outline = 'getComputedStyle(document.activeElement).outlineStyle';
    expect(await page.evaluate<string>(outline)).toBe('solid');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Escape');
    expect(await focused()).toBe('Pause…');
    expect((await request(serving.url)).status).toBe(200);

    await page.keyboard.press('Space');
    await page.keyboard.type('by keyboard');
    await page.keyboard.press('Enter');
    await shows(field(page, 'phase'), exactly('paused'));
    await shows(field(page, 'details'), 'Reason: by keyboard');
    // The focused button was removed, and the next one has the focus.
    await shows(page.locator(':focus'), 'Resume…');
    await page.keyboard.press('Enter');
    // Where nothing can be typed, the safe answer has the focus.
    expect(await focused()).toBe('Cancel');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await shows(field(page, 'phase'), exactly('running'));
  });

  itInBrowser('keeps the focus when the event arrives before the answer', async () => {
    const serving = await serve(['--target', target]);
    const { page } = await openPage(serving.adminUrl);
    await page.route('**/enable', async (route) => {
      const response = await route.fetch();
      await shows(field(page, 'phase'), exactly('paused'));
      await route.fulfill({ response });
    });
    await shows(field(page, 'phase'), 'running');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    await shows(page.locator(':focus'), 'Resume…');
  });

  itInBrowser(
    'says that it lost the connection, disables its buttons, and reconnects',
    async () => {
      const serving = await serve(['--target', target]);
      const { page, complaints } = await openPage(serving.adminUrl);
      const { port } = new URL(serving.url);
      const stale = page.getByText('Connection to the server lost');
      await shows(field(page, 'phase'), 'running');
      expect(await stale.isVisible()).toBe(false);
      await button(page, 'Pause…').click();

      serving.cli.signalAll('SIGKILL');
      await stale.waitFor();
      await shows(page.getByRole('status').first(), 'connection lost');
      expect(await button(page, 'Pause').isDisabled()).toBe(true);
      await button(page, 'Cancel').click();
      expect(await button(page, 'Pause…').isDisabled()).toBe(true);
      expect(await button(page, 'Stop…').isDisabled()).toBe(true);

      await serving.cli.exited;
      const again = await serve(['--target', target, '--port', port]);
      await stale.waitFor({ state: 'hidden' });
      await button(page, 'Pause…').click();
      await button(page, 'Pause').click();
      await shows(field(page, 'phase'), exactly('paused'));
      expect(again.url).toBe(serving.url);
      // What the browser says of a connection that was cut is not ours.
      expect(complaints.filter((each) => !each.includes('net::ERR_'))).toEqual([]);
    },
  );

  itInBrowser(
    'says so too when the server just falls silent',
    async () => {
      const serving = await serve(['--target', target]);
      const { page } = await openPage(serving.adminUrl);
      await shows(field(page, 'phase'), 'running');
      serving.cli.signalAll('SIGSTOP');
      await page.getByText('Connection to the server lost').waitFor({ timeout: 15_000 });
      serving.cli.signalAll('SIGCONT');
      await page
        .getByText('Connection to the server lost')
        .waitFor({ state: 'hidden', timeout: 15_000 });
    },
    40_000,
  );

  itInBrowser('asks for the token once, and sends it with each request', async () => {
    const serving = await serve(['--target', target], { ANTRACT_ADMIN_TOKEN: 'a secret' });
    const httpCredentials = { username: 'anybody', password: 'a secret' };
    const { page } = await openPage(`${serving.adminUrl}/`, { httpCredentials });
    await shows(page.getByRole('status').first(), 'live');
    await button(page, 'Pause…').click();
    await button(page, 'Pause').click();
    await shows(field(page, 'phase'), exactly('paused'));
  });

  itInBrowser('works over plain HTTP by another host name', async () => {
    const serving = await serve(['--target', target], { ANTRACT_ADMIN_TOKEN: 'a secret' });
    const httpCredentials = { username: '', password: 'a secret' };
    const url = serving.adminUrl.replace('127.0.0.1', PLAIN_HOST);
    const { page, complaints } = await openPage(url, { httpCredentials });
    await shows(page.getByRole('status').first(), 'live');
    await button(page, 'Pause…').click();
    await button(page, 'Pause').click();
    await shows(field(page, 'phase'), exactly('paused'));
    expect(complaints).toEqual([]);
  });

  itInBrowser('fits a phone, and follows the color scheme', async () => {
    const serving = await serve(['--target', target]);
    const options = { viewport: { width: 320, height: 640 }, colorScheme: 'dark' } as const;
    const { page } = await openPage(serving.adminUrl, options);
    await shows(field(page, 'phase'), 'running');
    const measure = (): Promise<{ width: number; background: string }> =>
      page.evaluate(`({
        width: document.body.scrollWidth,
        background: getComputedStyle(document.body).backgroundColor,
      })`);
    const dark = await measure();
    expect(dark.width).toBeLessThanOrEqual(320);
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await measure();
    const brightness = (colour: string): number => Number(/\d+/.exec(colour)?.[0]);
    expect(brightness(dark.background)).toBeLessThan(60);
    expect(brightness(light.background)).toBeGreaterThan(200);
    const box = await button(page, 'Pause…').boundingBox();
    expect(box?.height).toBeGreaterThanOrEqual(44);
  });

  itInBrowser('draws only the visible charts', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `shop-${i}`);
    const apps = Object.fromEntries(names.map((name) => [name, { target }]));
    const serving = await serve(['--config', await configFile({ apps })]);
    const { page } = await openPage(serving.adminUrl);
    await card(page, 'shop-0').locator('canvas').waitFor();
    expect(await card(page, 'shop-29').locator('canvas').count()).toBe(0);
    await card(page, 'shop-29').scrollIntoViewIfNeeded();
    await card(page, 'shop-29').locator('canvas').waitFor();
  });

  itInBrowser(
    'shows each app, lets one search where there are many, and acts on the one meant',
    async () => {
      const names = Array.from({ length: 8 }, (_, i) => `shop-${i}`);
      const apps = Object.fromEntries(names.map((name) => [name, { target }]));
      const serving = await serve(['--config', await configFile({ apps })]);
      const { page } = await openPage(serving.adminUrl);
      await shows(card(page, 'shop-7'), 'running');
      await page.getByLabel('Find an app').fill('SHOP-3');
      expect(await page.getByRole('article').count()).toBe(1);
      await card(page, 'shop-3').getByRole('button', { name: 'Pause…' }).click();
      await shows(page.locator('#dialog-title'), 'Pause shop-3?');
      await button(page, 'Pause').click();
      await shows(card(page, 'shop-3').locator('[data-field="phase"]'), exactly('paused'));
      await page.getByLabel('Find an app').fill('paused');
      expect(await page.getByRole('heading', { level: 2 }).allTextContents()).toEqual(['shop-3']);
      await page.getByLabel('Find an app').fill('');
      expect(await page.getByText(exactly('running')).count()).toBe(7);
    },
  );
});
