/** The pages and documents that a rejected request gets: in the language of the client, or of the operator's own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/common/clock.ts';
import { LANGUAGES, PHRASES } from '../../lib/http/page/languages.ts';
import type { AntractOptions } from '../../lib/options/options.ts';
import { readOptions } from '../../lib/options/read-options.ts';
import { closeAll, listen, request, type Answer } from '../support/http.ts';
import { createOpenAntract, type OpenAntract } from '../support/open-registry.ts';
import { silentLogger } from '../support/silent-logger.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'antract-pages-'));
});
afterEach(async () => {
  rmSync(directory, { recursive: true });
  await closeAll();
});

const write = (name: string, text: string): void => writeFileSync(join(directory, name), text);

interface Site {
  readonly antract: OpenAntract;
  readonly get: (headers?: Record<string, string>, method?: string) => Promise<Answer>;
}

async function start(options: AntractOptions = {}): Promise<Site> {
  const clock = { ...systemClock, random: () => 0 };
  const antract = createOpenAntract({ logger: silentLogger, ...options }, clock);
  const pause = antract.pause();
  const { url } = await listen((req, res) => pause(req, res, () => res.end('served')));
  return { antract, get: (headers = {}, method = 'GET') => request(url, { headers, method }) };
}

const BROWSER = { 'Sec-Fetch-Mode': 'navigate' };

describe('the built-in page', () => {
  it.each([
    ['de-AT,de;q=0.9,en;q=0.5', 'de', 'Außer Betrieb'],
    ['zh, ja;q=0.5', 'ja', '停止中'],
    ['*', 'en', 'Out of service'],
    ['zh', 'en', 'Out of service'],
  ])('has the language that the browser prefers: %s', async (accepted, language, title) => {
    const { antract, get } = await start();
    await antract.stop();
    const page = await get({ ...BROWSER, 'Accept-Language': accepted });
    expect(page.body).toContain(`<html lang="${language}">`);
    expect(page.body).toContain(`<h1>${title}</h1>`);
    expect(page.headers.vary).toContain('Accept-Language');
  });

  it("has the operator's message in place of its own sentence, in no certain language", async () => {
    const { antract, get } = await start();
    await antract.stop('default', { message: 'Zurück um 10' });
    const page = await get({ ...BROWSER, 'Accept-Language': 'fr' });
    expect(page.body).toContain('<h1>Hors service</h1><p lang="">Zurück um 10</p>');
  });

  it('says since when and until when', async () => {
    const { antract, get } = await start();
    await antract.stop('default', { expect: '10m' });
    const german = { ...BROWSER, 'Accept-Language': 'de' };
    expect((await get(german)).body).toMatch(
      /<p>Beginn: .*<br>Voraussichtliches Ende: in 10 Minuten<\/p>/,
    );
    await antract.stop('default', { expect: 0, maxTime: '2h' });
    expect((await get(german)).body).toContain('<br>Spätestens: in 2 Stunden</p>');
  });

  it('has a text for each topic in each language', () => {
    const topics = Object.keys(PHRASES.de.topics ?? {});
    for (const language of LANGUAGES.filter((other) => other !== 'en')) {
      expect(Object.keys(PHRASES[language].topics ?? {})).toEqual(topics);
    }
  });

  it('does not change the language of a problem document, which has the expected end', async () => {
    const { antract, get } = await start();
    await antract.stop('default', { expect: '10m' });
    const { body, headers } = await get({ 'Accept-Language': 'de' });
    expect(headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(body)).toEqual({
      type: 'about:blank',
      title: 'Out of service',
      status: 503,
      detail: 'The service has been stopped.',
      code: 'ERR_ANTRACT_STOPPED',
      expectedEnd: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
  });
});

describe('a directory of pages', () => {
  it('replaces the page and the document of a status, and escapes what it fills in', async () => {
    write('503.html', '<p title="{{message}}">{{ code }} {{requestId}} {{expectedIn}}</p>');
    write('503.json', '{"error":"{{message}}","wait":"{{retryAfter}}"}');
    write('README.md', '{{what}}');
    const { antract, get } = await start({ errorPage: directory });
    await antract.stop('default', { message: '"<b>"', expect: '2m' });
    const page = await get({ ...BROWSER, 'X-Request-Id': 'r-1', 'Accept-Language': 'fr' });
    expect(page.body).toBe(
      '<p title="&#34;&#60;b&#62;&#34;">ERR_ANTRACT_STOPPED r-1 dans 2 minutes</p>',
    );
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      refresh: '30',
      antract: 'phase=stopped, code=ERR_ANTRACT_STOPPED',
    });
    expect(page.headers).not.toHaveProperty('content-security-policy');
    expect((await get({ ...BROWSER, 'X-Request-Id': '<b>' })).body).not.toContain('<b>');
    expect((await get(BROWSER, 'POST')).headers).not.toHaveProperty('refresh');
    const json = await get();
    expect(json.headers['content-type']).toBe('application/json');
    expect(JSON.parse(json.body)).toEqual({ error: '"<b>"', wait: '120' });
  });

  it('leaves other statuses built in, and is inherited by apps', async () => {
    write('502.json', '{"title":"{{title}}"}');
    const { antract, get } = await start({ errorPage: directory, apps: { default: {} } });
    await antract.stop();
    expect((await get()).body).toContain('ERR_ANTRACT_STOPPED');
    const page = antract.core.settings.apps.get('default')?.errorPage;
    const content = page?.({ status: 502, format: 'json', title: 'a"b' } as never);
    expect(content).toEqual({ contentType: 'application/problem+json', body: '{"title":"a\\"b"}' });
  });

  it.each([
    [
      '503.html',
      '{{mesage}}',
      /503\.html.*unknown placeholder \{\{mesage\}\}; did you mean \{\{message\}\}/,
    ],
    ['503.html', '{{x}}', /unknown placeholder \{\{x\}\}; known: .*\{\{requestId\}\}/],
    ['503.json', '{"a":{{message}}}', /503\.json.*is not JSON/],
    ['503.json', '{"a":{{retryAfter}}}', /not if a placeholder is empty/],
    ['503.htm', '', /503\.htm can't be used: its name/],
    ['404.html', '', /404\.html can't be used: its name/],
    ['index.html', '', /to be a directory with files such as 503\.html/],
  ])('is refused at the start if it has a bad %s: %j', (name, text, problem) => {
    write(name, text);
    expect(() => readOptions({ errorPage: directory })).toThrow(problem);
  });

  it.each([['/no/such/directory'], [''], [7]])('is refused if it is %j', (errorPage) => {
    expect(() => readOptions({ errorPage: errorPage as string })).toThrow(/`errorPage`/);
  });
});

describe('a function for pages', () => {
  it('gets what is known, and its body replaces the built-in one', async () => {
    const { antract, get } = await start({
      errorPage: ({ format, phase, message }) =>
        format === 'json' ? { contentType: 'text/plain', body: `${phase}: ${message}` } : undefined,
    });
    await antract.stop();
    const { headers, body } = await get();
    expect([headers['content-type'], body]).toEqual([
      'text/plain',
      'stopped: The service has been stopped.',
    ]);
    expect((await get(BROWSER)).body).toContain('<!doctype html>');
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('oops');
      },
    ],
    ['returns no body', () => 'text' as never],
  ])('that %s is logged, and the client gets the built-in response', async (_name, errorPage) => {
    const logged: string[] = [];
    const logger = { ...silentLogger, error: (message: string) => void logged.push(message) };
    const { antract, get } = await start({ errorPage, logger });
    await antract.stop();
    expect((await get()).body).toContain('ERR_ANTRACT_STOPPED');
    expect(logged).toEqual([expect.stringContaining('`errorPage` function')]);
  });
});
