/**
 * Makes docs/images/dashboard.png: the dashboard of a real gateway that holds requests during a pause. Run
 * `npm run build && node scripts/picture.mjs` after a change of the dashboard. It takes two minutes and needs Chromium.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import UPNG from 'upng-js';

const CLI = join(import.meta.dirname, '../dist/cli.js');
const IMAGE = join(import.meta.dirname, '../docs/images/dashboard.png');
const REQUESTS_PER_SECOND = 12;

const folder = mkdtempSync(join(tmpdir(), 'antract-picture-'));
const backend = createServer((req, res) => {
  const isReport = req.url === '/reports/2026';
  globalThis.setTimeout(() => res.end('ok'), isReport ? 4000 : 15 + Math.random() ** 4 * 150);
});
const spare = createServer();
const config = join(folder, 'config.json');
let gateway;
let browser;
let traffic;
try {
  const target = `http://127.0.0.1:${await listen(backend)}`;
  const port = await listen(spare);
  spare.close();
  writeFileSync(config, JSON.stringify({ apps: { shop: { target, hosts: ['127.0.0.1'] } } }));
  gateway = spawn(process.execPath, [CLI, 'serve', '--config', config, '--port', `${port}`]);
  gateway.stderr.resume();
  gateway.stdout.resume();
  const url = `http://127.0.0.1:${port}`;
  await untilAnswers(url);
  // Not at a fixed interval, so that the chart looks like traffic.
  const ask = () => {
    void fetch(`${url}/orders`).then((response) => response.text(), ignore);
    const wave = 1 + 0.4 * Math.sin(Date.now() / 9000);
    traffic = globalThis.setTimeout(ask, (2 * Math.random() * 1000) / (REQUESTS_PER_SECOND * wave));
  };
  ask();
  await setTimeout(60_000);
  await command(`${url}/_antract/enable?app=shop&reason=new%20index&max_time=1m`, 'ada@laptop');
  await setTimeout(4000);
  await command(`${url}/_antract/disable?app=shop`, 'ada@laptop');
  await setTimeout(30_000);
  void fetch(`${url}/reports/2026`).catch(ignore);
  await command(`${url}/_antract/enable?app=shop&reason=migration%2042&max_time=5m`, 'ada@laptop');

  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  const page = await browser.newPage({
    viewport: { width: 900, height: 700 },
    deviceScaleFactor: 1.25,
    colorScheme: 'light',
    locale: 'en',
  });
  await page.goto(`${url}/_antract/`);
  await setTimeout(11_000);
  writeFileSync(IMAGE, reduce(await page.screenshot({ fullPage: true })));
} finally {
  clearTimeout(traffic);
  await browser?.close();
  gateway?.kill();
  backend.close();
  backend.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
}

/** To few colours, which makes the file a third as large. */
function reduce(png) {
  const image = UPNG.decode(png);
  return Buffer.from(UPNG.encode(UPNG.toRGBA8(image), image.width, image.height, 32));
}

async function command(url, by) {
  const response = await fetch(url, { method: 'POST', headers: { 'X-Antract-By': by } });
  if (!response.ok) throw new Error(await response.text());
}

async function untilAnswers(url) {
  for (;;) {
    const response = await fetch(url).catch(ignore);
    if (response?.ok) return;
    await setTimeout(100);
  }
}

async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

function ignore() {}
