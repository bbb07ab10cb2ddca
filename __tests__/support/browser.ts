/**
 * A real browser, headless, and pages in it that keep book of what they asked for and complained
 * about. `closeBrowser()` ends it.
 */
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

let browser: Promise<Browser> | undefined;

/** Reached by this name the gateway is no trustworthy origin: plain HTTP, as on a network. */
export const PLAIN_HOST = 'gateway.test';

function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--host-resolver-rules=MAP ${PLAIN_HOST} 127.0.0.1`,
    ],
  });
}

export interface OpenPage {
  page: Page;
  /** Errors, warnings, and violations of the Content-Security-Policy. */
  complaints: string[];
  /** Method and URL of each request, those of `data:` left out. */
  requests: string[];
}

/** @param prepare what is to be done before the page is asked for. */
export async function openPage(
  url: string,
  options: BrowserContextOptions = {},
  prepare: (page: Page) => Promise<unknown> = async () => undefined,
): Promise<OpenPage> {
  browser ??= launch();
  const context = await (await browser).newContext({ locale: 'en', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  context.on('request', (request) => {
    if (!request.url().startsWith('data:')) requests.push(`${request.method()} ${request.url()}`);
  });
  await prepare(page);
  await page.goto(url);
  return { page, complaints, requests };
}

export async function closePages(): Promise<void> {
  const contexts = (await browser)?.contexts() ?? [];
  await Promise.all(contexts.map((context) => context.close()));
}

export async function closeBrowser(): Promise<void> {
  await (await browser)?.close();
  browser = undefined;
}
