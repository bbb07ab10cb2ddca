/** The dashboard, driven in a real browser before a real gateway. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeEach, describe, expect } from '@jest/globals';
import type { Page } from 'playwright-core';
import type {
  AppHistory,
  Report,
  Samples,
  Snapshot,
  Transition,
} from '../../lib/admin/dashboard/status.d.ts';
import type { AppStatus, PauseReport } from '../../lib/index.ts';
import type { Samples as ServerSamples } from '../../lib/registry/sample-ring.ts';
import type { Transition as ServerTransition } from '../../lib/registry/transition.ts';
import { closeBrowser, closePages, openPage, PLAIN_HOST } from '../support/browser.ts';
import { endAll, serve } from '../support/cli.ts';
import { button, card, command, exactly, field, part, shows } from '../support/dashboard.ts';
import { until } from '../support/eventually.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, listen, request, type Answer } from '../support/http.ts';
import { itWith } from '../support/programs.ts';

// The page has types of its own; compiles as long as what the server sends fits them.
({}) as AppStatus satisfies Snapshot['apps'][0];
({}) as PauseReport satisfies Report;
({}) as ServerSamples satisfies Samples;
({}) as ServerTransition satisfies Transition;

const itInBrowser = itWith('chromium', 'chromium');

/** The time limit of a test with many steps. */
const LONG_MS = 40_000;

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
  await closeGateways();
  await endAll();
  await closeAll();
});

afterAll(closeBrowser);

async function arrived(url: string): Promise<void> {
  while (!asked.includes(url)) await new Promise<void>((resolve) => (wake = resolve));
}

/** Sends requests that the gateway is to hold. */
function hold({ url }: { url: string }, count: number): Promise<Answer>[] {
  const answers = Array.from({ length: count }, () => request(url));
  for (const answer of answers) answer.catch(() => undefined);
  return answers;
}

/** A gateway in front of the backend, and its dashboard. */
async function openSite(options: Parameters<typeof openPage>[1] = {}) {
  const gateway = await openGateway({ target });
  const adminUrl = gateway.adminUrl as string;
  const opened = await openPage(adminUrl, options);
  await shows(field(opened.page, 'phase'), exactly('running'));
  return { gateway, adminUrl, ...opened };
}

function apps(count: number): Record<string, { target: string }> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`shop-${i}`, { target }]));
}

describe('the dashboard', () => {
  itInBrowser(
    'pauses, shows the count rise, resumes, and keeps a report',
    async () => {
      const { gateway, adminUrl, page, complaints, requests } = await openSite();
      await shows(page.getByRole('status').first(), 'live');
      await shows(field(page, 'target'), new URL(target).host);
      await shows(part(page, 'about'), /^antract \d.*, up for /);

      await button(page, 'Pause…').click();
      await page.getByLabel('Reason').fill('migration');
      await button(page, 'Pause').click();
      await shows(field(page, 'phase'), exactly('paused'));
      await shows(field(page, 'details'), 'Reason: migration');
      await shows(field(page, 'details'), 'Paused by: dashboard');
      await shows(field(page, 'ends'), /^[45]:\d\d$/);
      const first = hold(gateway, 3);
      await shows(field(page, 'held'), exactly(3));
      const second = hold(gateway, 4);
      await shows(field(page, 'held'), exactly(7));
      await shows(field(page, 'oldest'), /^[\d.]+ m?s$/);
      expect(await page.title()).toBe('paused, 7 held · antract');

      await button(page, '+5 min').click();
      await shows(field(page, 'ends'), /^(9|10):\d\d$/);
      await button(page, 'Resume…').click();
      await shows(page.locator('#dialog-text'), '7 held requests first');
      await button(page, 'Resume').click();
      await shows(field(page, 'phase'), exactly('running'));
      await shows(part(page, 'outcome'), 'Pause is disabled. 7 requests were held');
      const answers = await Promise.all([...first, ...second]);
      expect(answers.map(({ body }) => body)).toEqual(Array.from({ length: 7 }, () => 'hello'));
      await shows(field(page, 'report'), '7 requests were held: 7 released');

      // The report and the events outlive the page, until the operator has seen the report.
      await page.reload();
      await shows(field(page, 'events'), 'is paused by dashboard');
      await shows(field(page, 'report'), '7 requests were held: 7 released');
      await button(page, 'Dismiss').click();
      await field(page, 'report').waitFor({ state: 'hidden' });
      await shows(field(page, 'pauses'), '7 requests were held: 7 released');

      // Nothing was refused by the policy, nothing asked for elsewhere, and nothing of the backend.
      expect(complaints).toEqual([]);
      expect(requests.filter((each) => !each.includes(` ${adminUrl}`))).toEqual([]);
      expect(asked).toEqual(Array.from({ length: 7 }, () => '/'));
    },
    LONG_MS,
  );

  itInBrowser(
    'draws the state that the server sends, and its history',
    async () => {
      const { gateway, adminUrl, page } = await openSite();
      await page.locator('.chart canvas').last().waitFor();
      // Of the held line's colour, which has much more red in it than blue.
      const drawn = (): Promise<number> =>
        page.evaluate(`(() => {
        const canvas = [...document.querySelectorAll('.chart canvas')].at(-1);
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let pixels = 0;
        for (let i = 0; i < data.length; i += 4) {
          if (data[i] > data[i + 2] + 60 && data[i + 3] > 200) pixels++;
        }
        return pixels;
      })()`);
      const grows = async (before: number): Promise<void> => {
        for (let after = before; after <= before + 20; after = await drawn()) {
          await page.waitForTimeout(50);
        }
      };
      const before = await drawn();
      await gateway.antract.enable();
      void hold(gateway, 20);
      await shows(field(page, 'held'), exactly(20));
      await grows(before);
      // Only the server knows of these requests after the reload.
      await until(async () => {
        const { body } = await request(`${adminUrl}/history?app=default`, JSON_ONLY);
        return (JSON.parse(body) as AppHistory).samples.held.includes(20);
      });
      await gateway.antract.disable();
      await shows(field(page, 'phase'), exactly('running'));
      await page.reload();
      await page.locator('.chart canvas').last().waitFor();
      await grows(before);
      const box = await page.locator('.u-over').last().boundingBox();
      await page.mouse.move((box?.x ?? 0) + (box?.width ?? 0) - 5, (box?.y ?? 0) + 5);
      await shows(field(page, 'readout'), /^\d\d:\d\d:\d\d.* held.* in flight.* requests\/s/);
    },
    LONG_MS,
  );

  itInBrowser(
    'says that the backend is down, why, and what happens next, until it answers',
    async () => {
      const down = await listen((_req, res) => void res.end());
      const { port } = down;
      await closeAll();
      const gateway = await openGateway({ target: down.url, holdOnOutage: '1s' });
      const { page, complaints } = await openPage(gateway.adminUrl as string);
      const answer = request(gateway.url);
      await page.locator('article[data-phase="releasing"][data-alarming]').waitFor();
      await shows(field(page, 'details'), 'Held requests wait until the backend answers');
      expect((await answer).status).toBe(502);
      await page.locator('article[data-phase="running"][data-alarming]').waitFor();
      await shows(field(page, 'phase'), exactly('backend down'));
      await shows(
        field(page, 'backend'),
        /^down: connection refused \(ECONNREFUSED\), since [\d:]+ \(/,
      );
      await shows(
        field(page, 'details'),
        'Requests are passed on, and fail until the backend answers. It is probed meanwhile.',
      );
      expect(await page.title()).toBe('backend down, 0 held · antract');
      await shows(part(page, 'summary'), exactly('1 backend down'));
      // In a pause that is expected.
      await command(page, 'Pause');
      await shows(field(page, 'phase'), exactly('paused'));
      await page.locator('article[data-backend="down"]:not([data-alarming])').waitFor();
      const back = createServer((_req, res) => void res.end('back')).listen(port, '127.0.0.1');
      await once(back, 'listening');
      // It must not keep the process if the test fails.
      back.unref();
      await command(page, 'Resume');
      await shows(field(page, 'phase'), exactly('running'));
      await shows(field(page, 'backend'), 'up since');
      await shows(field(page, 'events'), 'is down: connection refused');
      expect(complaints).toEqual([]);
      back.close();
    },
  );

  itInBrowser(
    'names the requests that a drain waits for',
    async () => {
      const serving = await serve(['--target', target]);
      const { page } = await openPage(`${serving.adminUrl}/`);
      const slow = request(`${serving.url}/slow/import?secret=1`, { method: 'PUT' });
      await arrived('/slow/import?secret=1');
      await command(page, 'Pause');
      await shows(field(page, 'phase'), exactly('pausing'));
      await shows(field(page, 'details'), 'Draining: 1 request still in flight.');
      await shows(field(page, 'straggler-list'), /^[\d.]+ m?s {2}PUT \/slow\/import$/);
      // Time goes on also where there is no news.
      serving.cli.signalAll('SIGSTOP');
      const shown = await field(page, 'straggler-list').innerText();
      const [, age = '0'] = /^(\d+)[.\d]* s/.exec(shown) ?? [];
      const later = [3, 4, 5, 6].map((more) => Number(age) + more).join('|');
      await shows(field(page, 'straggler-list'), new RegExp(`^(${later})(\\.\\d+)? s`));
      serving.cli.signalAll('SIGCONT');
      open.get('/slow/import?secret=1')?.end('done');
      await shows(field(page, 'phase'), exactly('paused'));
      await field(page, 'stragglers').waitFor({ state: 'hidden' });
      await shows(
        part(page, 'announcement'),
        /^App default is paused: 0 held, 0 in flight, .* Drained: nothing is in flight\. New requests are held\./,
      );
      expect((await slow).body).toBe('done');
    },
    LONG_MS,
  );

  itInBrowser(
    'stops and resumes the app, and describes the effect before',
    async () => {
      const { gateway, page } = await openSite();
      await button(page, 'Stop…').click();
      await shows(page.locator('#dialog-text'), 'New requests will get 503.');
      await shows(page.locator('#dialog-text'), 'A stop has no end, unless you set one below.');
      await button(page, 'Cancel').click();
      expect((await request(gateway.url)).status).toBe(200);
      await button(page, 'Stop…').click();
      await page.getByLabel('Message to clients').fill('Back at nine.');
      await page.getByLabel('Expected duration').fill('10m');
      await button(page, 'Stop').click();
      await shows(field(page, 'phase'), exactly('stopped'));
      await shows(field(page, 'ends'), exactly('never'));
      await shows(page.locator('[data-figure="elapsed"]'), /9 min 5\d s expected/);
      await shows(field(page, 'details'), 'Clients are told: Back at nine.');
      expect((await request(gateway.url)).status).toBe(503);
      await command(page, 'Resume');
      await shows(field(page, 'phase'), exactly('running'));

      await button(page, 'Stop…').click();
      await page.getByLabel('Resumes by itself after').fill('2s');
      await button(page, 'Stop').click();
      await shows(field(page, 'ends'), /^0:0[0-2]$/);
      await shows(field(page, 'phase'), exactly('running'));
    },
    LONG_MS,
  );

  itInBrowser('shows why a pause failed, and limits a pause to writes', async () => {
    const { gateway, page } = await openSite();
    await button(page, 'Pause…').click();
    await page.getByPlaceholder(exactly('5 min .default.')).fill('soon');
    await button(page, 'Pause').click();
    await shows(part(page, 'failure'), '"Longest duration" must be a duration with a unit');
    await page.getByLabel('Longest duration').fill('');
    await button(page, 'Pause').click();
    await shows(field(page, 'phase'), exactly('paused'));
    await button(page, 'Writes only…').click();
    await button(page, 'Hold only writes').click();
    await shows(field(page, 'phase'), exactly('paused for writes'));
    expect((await request(gateway.url)).status).toBe(200);
    await button(page, 'Writes only…').waitFor({ state: 'hidden' });
    await command(page, 'Resume');
    await shows(field(page, 'phase'), exactly('running'));
  });

  itInBrowser(
    'can be used by keyboard alone',
    async () => {
      const { gateway, page } = await openSite();
      const focused = page.locator(':focus');
      await page.keyboard.press('Tab');
      await shows(focused, exactly('default'));
      await page.keyboard.press('Tab');
      await shows(focused, exactly('Pause…'));
      const outline = 'getComputedStyle(document.activeElement).outlineStyle';
      expect(await page.evaluate<string>(outline)).toBe('solid');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Escape');
      await shows(focused, exactly('Pause…'));
      expect((await request(gateway.url)).status).toBe(200);

      await page.keyboard.press('Space');
      await page.keyboard.type('by keyboard');
      await page.keyboard.press('Enter');
      await shows(field(page, 'phase'), exactly('paused'));
      await shows(field(page, 'details'), 'Reason: by keyboard');
      // The focused button was removed, and the next one has the focus.
      await shows(focused, 'Resume…');
      await page.keyboard.press('Enter');
      // Where nothing can be typed, the safe answer has the focus.
      await shows(focused, exactly('Cancel'));
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      await shows(field(page, 'phase'), exactly('running'));
    },
    LONG_MS,
  );

  itInBrowser('keeps the focus when the event arrives before the answer', async () => {
    const { page } = await openSite();
    await page.route('**/enable', async (route) => {
      const response = await route.fetch();
      await shows(field(page, 'phase'), exactly('paused'));
      await route.fulfill({ response });
    });
    await button(page, 'Pause…').focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    await shows(page.locator(':focus'), 'Resume…');
  });

  itInBrowser(
    'says that it lost the connection, hides old figures, disables its buttons, and reconnects',
    async () => {
      const { gateway, page, complaints } = await openSite();
      await button(page, 'Pause…').click();

      await gateway.close();
      await part(page, 'lost').waitFor();
      await shows(page.getByRole('status').first(), 'contact lost');
      await shows(field(page, 'phase'), /^was running [\d.]+ m?s ago$/);
      expect(await field(page, 'figures').isVisible()).toBe(false);
      expect(await button(page, 'Pause').isDisabled()).toBe(true);
      await button(page, 'Cancel').click();
      expect(await button(page, 'Pause…').isDisabled()).toBe(true);
      expect(await button(page, 'Stop…').isDisabled()).toBe(true);

      await openGateway({ target, port: gateway.port });
      await part(page, 'lost').waitFor({ state: 'hidden' });
      await command(page, 'Pause');
      await shows(field(page, 'phase'), exactly('paused'));
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
      await part(page, 'lost').waitFor({ timeout: 15_000 });
      serving.cli.signalAll('SIGCONT');
      await part(page, 'lost').waitFor({ state: 'hidden', timeout: 15_000 });
    },
    LONG_MS,
  );

  itInBrowser(
    'commands also where requests of the paused site use up the connections of the browser',
    async () => {
      const { gateway, page } = await openSite();
      const site = await page.context().newPage();
      await site.goto(gateway.url);
      await gateway.antract.enable();
      // More than a browser opens to one host.
      await site.evaluate(`void Array.from({ length: 10 }, (_, i) => fetch('/poll?' + i))`);
      await shows(field(page, 'held'), exactly(6));
      await command(page, 'Resume');
      await shows(field(page, 'phase'), exactly('running'));
    },
  );

  itInBrowser('shows why the server refuses the stream', async () => {
    const gateway = await openGateway({ target });
    const body = 'All 32 event streams are in use.\nERR_ANTRACT_ADMIN_BUSY\n';
    const { page } = await openPage(gateway.adminUrl as string, {}, (opened) =>
      opened.route('**/events', (route) => route.fulfill({ status: 503, body })),
    );
    await shows(part(page, 'lost'), 'is lost. All 32 event streams are in use. This page');
  });

  itInBrowser('says so when a command does not leave the browser', async () => {
    const { page } = await openSite();
    await page.route('**/enable', () => undefined);
    await command(page, 'Pause');
    await shows(part(page, 'late'), '--admin-listen');
  });

  itInBrowser('asks for the token, and keeps it for this tab, also over plain HTTP', async () => {
    const gateway = await openGateway({ target, adminToken: 'a secret' });
    const url = `${gateway.adminUrl}/`.replace('127.0.0.1', PLAIN_HOST);
    const { page, complaints } = await openPage(url);
    const token = page.getByLabel('Admin token');
    await token.fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('antract does not accept this token').waitFor();
    await token.fill('a secret');
    await page.keyboard.press('Enter');
    await token.waitFor({ state: 'hidden' });
    await page.reload();
    await command(page, 'Pause');
    await shows(field(page, 'phase'), exactly('paused'));
    expect(complaints.filter((each) => !each.includes('401'))).toEqual([]);
  });

  itInBrowser('sends the cookies of the site where a rule of the server wants them', async () => {
    const authorize = ({ headers }: { headers: { cookie?: string | undefined } }): boolean =>
      headers.cookie === 'session=ada';
    const gateway = await openGateway({ target, authorize });
    const cookies = [{ name: 'session', value: 'ada', url: gateway.url }];
    const { page } = await openPage(gateway.adminUrl as string, {}, (opened) =>
      opened.context().addCookies(cookies),
    );
    await command(page, 'Pause');
    await shows(field(page, 'phase'), exactly('paused'));
  });

  itInBrowser('fits a phone, and follows the color scheme', async () => {
    const viewport = { width: 320, height: 640 };
    const { page } = await openSite({ viewport, colorScheme: 'dark' });
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

  itInBrowser('shows six apps on a laptop and on two screens of a phone', async () => {
    const { adminUrl } = await openGateway({ apps: apps(6) });
    const { page } = await openPage(adminUrl as string, { viewport: { width: 1280, height: 800 } });
    const height = (): Promise<number> => page.evaluate('document.documentElement.scrollHeight');
    await shows(card(page, 'shop-5'), 'running');
    expect(await height()).toBeLessThanOrEqual(800);
    await page.setViewportSize({ width: 375, height: 812 });
    expect(await height()).toBeLessThanOrEqual(1624);
  });

  itInBrowser(
    'shows many apps as rows that expand, those in trouble first, and acts on the one meant',
    async () => {
      const { adminUrl } = await openGateway({ apps: apps(8) });
      const { page } = await openPage(adminUrl as string);
      await shows(card(page, 'shop-7'), 'running');
      expect(await page.locator('canvas').count()).toBe(0);
      await button(page, 'shop-7').click();
      await card(page, 'shop-7').locator('.chart').scrollIntoViewIfNeeded();
      await card(page, 'shop-7').locator('canvas').first().waitFor();
      await page.getByLabel('Find an app').fill('SHOP-3');
      expect(await page.getByRole('article').count()).toBe(1);
      await button(page, 'Pause…').click();
      await shows(page.locator('#dialog-title'), 'Pause shop-3?');
      await button(page, 'Pause').click();
      await shows(card(page, 'shop-3').locator('[data-field="phase"]'), exactly('paused'));
      await page.getByLabel('Find an app').fill('paused');
      await shows(page.getByRole('article'), 'shop-3');
      expect(await headings(page)).toEqual(['shop-3']);
      await page.getByLabel('Find an app').fill('');
      await shows(part(page, 'summary'), exactly('1 paused, 7 running'));
      // Nothing moves under the pointer.
      await page.mouse.move(0, 0);
      await shows(page.getByRole('article').first(), 'shop-3');
      expect((await headings(page)).slice(0, 3)).toEqual(['shop-3', 'shop-0', 'shop-1']);
    },
    LONG_MS,
  );
});

const JSON_ONLY = { headers: { accept: 'application/json' } };

async function headings(page: Page): Promise<string[]> {
  const texts = await page.getByRole('heading', { level: 2 }).allTextContents();
  return texts.map((text) => text.trim());
}
