/** What the admin path itself and `/traffic` answer, as text, as JSON and to a browser. */
import { afterEach, describe, expect, it } from '@jest/globals';
import express5 from 'express';
import express4 from 'express4';
import { createHash } from 'node:crypto';
import { createAntract, type AdminOptions, type Antract } from '../../lib/index.ts';
import { closeAll, listen, request } from '../support/http.ts';

afterEach(closeAll);

const BROWSER = {
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8',
};

async function start(
  adminOptions?: AdminOptions,
  express = express5,
): Promise<{ antract: Antract; url: string; admin: string }> {
  const antract = createAntract({ logger: { info() {}, warn() {}, error() {} } });
  const app = express();
  app.use(antract.pause());
  app.use('/_antract', antract.admin(adminOptions));
  app.get('/', (_req, res) => void res.end('hello'));
  const { url } = await listen(app);
  return { antract, url, admin: `${url}/_antract` };
}

describe.each([
  ['Express 5', express5],
  ['Express 4', express4 as unknown as typeof express5],
])('the admin path itself, on %s', (_name, express) => {
  it.each(['', '/'])('lists the endpoints for curl (%p)', async (slash) => {
    const { admin } = await start(undefined, express);
    const { status, headers, body } = await request(admin + slash);
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; charset=utf-8');
    const paths = [...body.matchAll(/^\/_antract(\/\w*) /gm)].map(([, path]) => path);
    expect(paths).toContain('/enable');
    expect(paths).toContain('/events');
    // Each of them is there.
    for (const path of paths.filter((each) => each !== '/events' && each !== '/drain')) {
      expect([path, (await request(admin + path)).status]).toEqual([path, 200]);
    }
  });

  it.each(['', '/'])('is the dashboard for a browser (%p)', async (slash) => {
    const { admin } = await start(undefined, express);
    const { status, headers, body } = await request(admin + slash, { headers: BROWSER });
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toMatch(/^<!doctype html>/);
  });
});

describe('the admin path itself', () => {
  it('lists the endpoints as JSON, with what each takes', async () => {
    const { admin } = await start();
    const { body } = await request(admin, { headers: { accept: 'application/json' } });
    expect(JSON.parse(body)).toMatchObject({
      endpoints: expect.arrayContaining([
        { path: '/traffic', parameters: ['app'], purpose: expect.any(String) },
      ]),
    });
  });

  it('asks browsers without the token for it, and shows them nothing else', async () => {
    const { admin } = await start({ token: 'secret' });
    const refused = await request(admin, { headers: BROWSER });
    expect(refused.status).toBe(401);
    // Without the scheme Basic, the browser shows the page with its form instead of a dialog of its own.
    expect(refused.headers['www-authenticate']).toBe('Bearer realm="antract"');
    expect(refused.body).toContain('<html data-access="token"');
    const other = await request(`${admin}/status`, { headers: BROWSER });
    expect(other.headers['www-authenticate']).toContain('Basic realm="antract"');
    expect(other.body).not.toContain('<');
    const authorization = `Basic ${btoa('me:secret')}`;
    const answer = await request(admin, { headers: { ...BROWSER, authorization } });
    expect(answer.body).toMatch(/^<!doctype html>/);
  });
});

describe('the dashboard page', () => {
  const policyOf = (header: string | string[] | undefined): Map<string, string> =>
    new Map(
      String(header)
        .split('; ')
        .map((directive) => directive.split(/ (.*)/, 2) as [string, string]),
    );

  it('allows its own scripts and styles by their hash, and nothing else', async () => {
    const { admin } = await start();
    const { headers, body } = await request(admin, { headers: BROWSER });
    const policy = policyOf(headers['content-security-policy']);
    const hashes = (pattern: RegExp): string =>
      [...body.matchAll(pattern)]
        .map(([, text = '']) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`)
        .join(' ');
    expect(Object.fromEntries(policy)).toEqual({
      'default-src': "'none'",
      'script-src': hashes(/<script[^>]*>([^]*?)<\/script>/g),
      'style-src': hashes(/<style>([^]*?)<\/style>/g),
      'connect-src': "'self'",
      'img-src': 'data:',
      'base-uri': "'none'",
      'form-action': "'none'",
      'frame-ancestors': "'none'",
    });
    expect(body.match(/<script/g)).toHaveLength(2);
  });

  it('loads no other file, and has no handler or style in an attribute', async () => {
    const { admin } = await start();
    const { body } = await request(admin, { headers: BROWSER });
    const markup = body.replace(/<(script|style)[^>]*>[^]*?<\/\1>/g, '');
    expect(markup).not.toMatch(/\s(src|srcset|style|on\w+)=/);
    expect(markup.match(/<(?!a\b)[^>]*\shref="(?!data:)/g)).toBeNull();
    // Without one a browser asks the backend for /favicon.ico, which would be held.
    expect(markup).toMatch(/<link\s+rel="icon"\s+href="data:/);
    expect(body).not.toMatch(/^(import|export) /m);
  });
});

describe('traffic', () => {
  it('predicts the held requests of a pause', async () => {
    const { url, admin } = await start();
    for (let i = 0; i < 3; i++) await request(url);
    const { body } = await request(`${admin}/traffic`, { headers: { accept: 'application/json' } });
    expect(JSON.parse(body)).toEqual({
      app: 'default',
      windowMs: expect.any(Number),
      requestsPerSecond: expect.any(Number),
      inFlight: 0,
      slowestMs: expect.any(Number),
      expectedHeldIn30s: expect.any(Number),
      lastMinute: expect.objectContaining({ errorShare: 0 }),
      lines: expect.any(Array),
    });
    expect((JSON.parse(body) as { expectedHeldIn30s: number }).expectedHeldIn30s).toBeGreaterThan(
      0,
    );
    expect((await request(`${admin}/traffic`)).body).toMatch(
      /^App default in the last .+: [\d.]+ requests a second\.\nIn the last minute: [\d.]+ a second, half within .+, 95 % within .+, 0 % errors\.\nIn flight: 0\nSlowest: .+\nA pause of 30 s would hold about \d+\.\n$/,
    );
  });

  it('answers 404 for an unknown app', async () => {
    const { admin } = await start();
    expect(await request(`${admin}/traffic?app=shpo`)).toMatchObject({ status: 404 });
  });
});
