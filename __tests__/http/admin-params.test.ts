/** The parameters of the admin endpoints: what is refused, and in which words. */
import { afterEach, describe, expect, it } from '@jest/globals';
import express5 from 'express';
import express4 from 'express4';
import { gzipSync } from 'node:zlib';
import { createAntract, type Antract } from '../../lib/index.ts';
import { closeAll, connect, listen, readUntil, request, type Answer } from '../support/http.ts';

afterEach(closeAll);

interface Site {
  antract: Antract;
  url: string;
  port: number;
}

async function start(express = express5, ...ahead: express5.RequestHandler[]): Promise<Site> {
  const antract = createAntract({ logger: { info() {}, warn() {}, error() {} } });
  const app = express();
  for (const handler of ahead) app.use(handler);
  app.use(antract.admin());
  const { url, port } = await listen(app);
  return { antract, url, port };
}

const FORM = 'application/x-www-form-urlencoded';
const post = (url: string, type: string, body: string | Buffer, headers = {}): Promise<Answer> =>
  request(url, { method: 'POST', headers: { 'content-type': type, ...headers }, body });

describe('a parameter of an admin request', () => {
  it.each([
    ['/enable?maxtime=5m', /`maxtime`.*Did you mean `max_time`\?/],
    ['/enable?maxTime=5m', /`maxTime`.*Did you mean `max_time`\?/],
    ['/enable?APP=shop', /`APP`.*Did you mean `app`\?/],
    ['/enable?resaon=x', /`resaon`.*Did you mean `reason`\?/],
    ['/stop?mesage=x', /`mesage`.*Did you mean `message`\?/],
    ['/stop?wait=30s', /`wait`.*app/],
    ['/status?reason=x', /`reason`.*app/],
    ['/drain?max_time=1m', /`max_time`.*app, wait/],
    ['/enable?app[x]=shop', /`app\[x\]`/],
    ['/enable?__proto__=x', /`__proto__`/],
    ['/enable?toString=x', /`toString`/],
    ['/enable?=x', /``/],
    ['/enable?app=a&app=b', /`app` to be given once/],
    ['/enable?wait=1s&wait=1s', /`wait` to be given once/],
    ['/enable?app=', /`app` to have a value/],
    ['/enable?reason', /`reason` to have a value/],
    ['/enable?reason=%20', /`reason` to have a value/],
    ['/enable?max_time=soon', /`max_time` to be a duration.*'soon'/],
    ['/enable?max_time=0', /`max_time` to be a duration from 1ms to 24 days, got '0'/],
    ['/enable?max_time=-1m', /`max_time` to be a duration/],
    ['/enable?max_time=Infinity', /`max_time` to be a duration/],
    ['/enable?expect=10', /`expect` to be a duration with a unit/],
    ['/enable?wait=forever', /`wait` to be a duration.*'forever'/],
    ['/enable?wait=2147483648ms', /`wait` to be a duration from 0 to 24 days, got '2147/],
    ['/enable?wait=-1', /`wait` to be a duration/],
    ['/drain?wait=NaN', /`wait` to be a duration/],
    [
      `/enable?reason=${'x'.repeat(501)}`,
      /`reason` to be printable text of at most 500 characters/,
    ],
    ['/enable?reason=a%0Ab', /`reason` to be printable text/],
    ['/enable?reason=a%C2%9B2J', /`reason` to be printable text/],
    [
      `/stop?message=${'x'.repeat(501)}`,
      /`message` to be printable text of at most 500 characters/,
    ],
    ['/stop?message=%1B[2J', /`message` to be printable text/],
  ])('%s is answered 400 with what was expected, and changes nothing', async (target, expected) => {
    const { antract, url } = await start();
    const { status, body } = await request(url + target);
    expect(status).toBe(400);
    expect(body.split('\n')[0]).toMatch(expected);
    expect(antract.status().phase).toBe('running');
    expect(antract.list()).toHaveLength(1);
  });

  it.each(['30', '30000', '1.5', '-5', '1e3', '0x1e', '30 ', '5,5s', ' 30s', '30s5', 's', '1m30s'])(
    'that is a duration needs one number and its unit, unlike %j',
    async (value) => {
      const { antract, url } = await start();
      for (const name of ['max_time', 'lease', 'wait']) {
        const answers = [
          await request(`${url}/enable?${new URLSearchParams({ [name]: value }).toString()}`),
          await post(`${url}/enable`, FORM, new URLSearchParams({ [name]: value }).toString()),
          await post(`${url}/enable`, 'application/json', JSON.stringify({ [name]: value })),
        ];
        for (const { status, body } of answers) {
          expect(body).toContain(
            `Expected \`${name}\` to be a duration with a unit, such as '30s' or '5m', got '${value}'.`,
          );
          expect(status).toBe(400);
        }
      }
      expect(antract.status().phase).toBe('running');
    },
  );

  it('that is a duration needs a unit in JSON too, where it is a number', async () => {
    const { antract, url } = await start();
    const { status, body } = await post(`${url}/enable`, 'application/json', '{"max_time":30}');
    expect(status).toBe(400);
    expect(body).toContain("a duration with a unit, such as '30s' or '5m', got 30.");
    expect(antract.status().phase).toBe('running');
  });

  it.each(['30s', '30 s', '0.5m', '30000ms', '30 seconds', '30S'])(
    'that is a duration may be %j',
    async (value) => {
      const { antract, url } = await start();
      await request(`${url}/enable?max_time=${encodeURIComponent(value)}`);
      expect(antract.status().endsInMs).toBeGreaterThan(25_000);
      expect(antract.status().endsInMs).toBeLessThanOrEqual(30_000);
    },
  );

  it('that is a duration may be 0 without a unit', async () => {
    const { url } = await start();
    const answer = await post(`${url}/enable`, 'application/json', '{"lease":0,"wait":"0"}');
    expect(answer.status).toBe(200);
  });

  it.each(['/enable', '/disable', '/stop', '/status'])(
    'app is taken by %s, as it is written',
    async (endpoint) => {
      const { antract, url } = await start();
      await antract.enable('shop & co+');
      const answer = await request(`${url}${endpoint}?app=shop+%26%20co%2B`, {
        headers: { accept: 'application/json' },
      });
      expect(JSON.parse(answer.body)).toMatchObject({ app: 'shop & co+' });
    },
  );

  it('named max_time or reason takes effect on the pause', async () => {
    const { antract, url } = await start();
    await request(`${url}/enable?max_time=90s&reason=${encodeURIComponent('größere 💾')}`);
    const { reason, endsInMs } = antract.status();
    expect(reason).toBe('größere 💾');
    expect(endsInMs).toBeGreaterThan(80_000);
    expect(endsInMs).toBeLessThanOrEqual(90_000);
  });

  it('may have its maximum length', async () => {
    const { url } = await start();
    const target = `/enable?wait=2147483647ms&max_time=2147483647ms&reason=${'x'.repeat(500)}`;
    expect((await request(url + target)).status).toBe(200);
  });

  it('is rejected by an endpoint that does not have it', async () => {
    const taken: Record<string, string[]> = {
      enable: ['app', 'max_time', 'reason', 'wait'],
      disable: ['app', 'wait'],
      stop: ['app', 'max_time', 'message'],
      status: ['app'],
      drain: ['app', 'wait'],
    };
    const { antract, url } = await start();
    const values = { app: 'default', max_time: '1m', reason: 'x', wait: '1ms', message: 'x' };
    for (const endpoint of Object.keys(taken)) {
      const found: string[] = [];
      for (const [name, value] of Object.entries(values)) {
        await antract.enable();
        const { status } = await request(`${url}/${endpoint}?${name}=${value}`);
        if (status === 200) found.push(name);
      }
      expect({ endpoint, found }).toEqual({ endpoint, found: taken[endpoint] });
    }
  });

  it('in a body that other code has read is rejected and not overlooked', async () => {
    const { antract, url } = await start(express5, (req, _res, next) => {
      req.resume().once('end', () => next());
    });
    expect((await post(`${url}/enable`, FORM, 'app=shop')).status).toBe(400);
    expect(antract.status().phase).toBe('running');
  });
});

describe.each([
  ['Express 5', express5],
  ['Express 4', express4 as unknown as typeof express5],
])('the body of an admin request, on %s', (_name, express) => {
  it('may be a form or JSON, in UTF-8, with more parameters in the query', async () => {
    const { antract, url } = await start(express);
    expect((await post(`${url}/enable?app=shop`, FORM, 'reason=gr%C3%B6%C3%9Fer')).status).toBe(
      200,
    );
    expect(antract.status('shop').reason).toBe('größer');
    const json = JSON.stringify({ app: 'shop', reason: 'noch größer', max_time: '1m' });
    expect((await post(`${url}/enable`, 'application/json; charset=utf-8', json)).status).toBe(200);
    expect(antract.status('shop').reason).toBe('noch größer');
    expect(antract.status().phase).toBe('running');
  });

  it('may be absent or empty', async () => {
    const { url } = await start(express);
    expect((await request(`${url}/enable`, { method: 'POST' })).status).toBe(200);
    expect(
      (await request(`${url}/enable`, { method: 'POST', headers: { 'content-length': 0 } })).status,
    ).toBe(200);
    expect((await post(`${url}/enable`, FORM, '')).status).toBe(200);
    const chunked = { 'transfer-encoding': 'chunked' };
    expect((await post(`${url}/enable`, FORM, '', chunked)).status).toBe(200);
    expect((await post(`${url}/enable`, 'application/json', '', chunked)).status).toBe(200);
  });

  it.each([
    ['a parameter twice in a form', FORM, 'app=a&app=b', 400, /`app` to be given once/],
    ['a parameter in query and body', FORM, 'reason=x', 400, /`reason` to be given once/],
    ['an unknown parameter in a form', FORM, 'maxtime=1m', 400, /Did you mean `max_time`\?/],
    [
      'an unknown parameter in JSON',
      'application/json',
      '{"maxtime":"1m"}',
      400,
      /Did you mean `max_time`\?/,
    ],
    ['__proto__ in JSON', 'application/json', '{"__proto__":{"app":"x"}}', 400, /`__proto__`/],
    ['an array in JSON', 'application/json', '{"app":["a","b"]}', 400, /`app` to be given once/],
    ['an empty array in JSON', 'application/json', '{"app":[]}', 400, /`app` to be given once/],
    [
      'an array of one in JSON',
      'application/json',
      '{"only":["writes"]}',
      400,
      /`only` to be given/,
    ],
    ['an array of arrays in JSON', 'application/json', '{"wait":[[]]}', 400, /`wait` to be given/],
    ['an empty condition in JSON', 'application/json', '{"if_pause":[]}', 400, /`if_pause` to be/],
    ['null for a condition', 'application/json', '{"if_pause":null}', 400, /`if_pause` to be/],
    ['false for a duration', 'application/json', '{"lease":false}', 400, /`lease` to be/],
    ['an unknown empty array', 'application/json', '{"x":[]}', 400, /ERR_ANTRACT_OPTION/],
    ['a list in a form', FORM, 'app[]=a', 400, /`app\[\]`/],
    ['a name twice in JSON', 'application/json', '{"app":"a","app":"b"}', 400, /a name twice/],
    [
      'a name twice, escaped',
      'application/json',
      '{"app":"a",\n"\\u0061pp" : "b"}',
      400,
      /a name twice/,
    ],
    [
      'JSON in UTF-16',
      'application/json; charset=utf-16',
      Buffer.from('{"app":"a"}', 'utf16le'),
      415,
      /UTF-8/,
    ],
    ['an object in JSON', 'application/json', '{"app":{"a":1}}', 400, /Expected `app` to be/],
    ['a number for a name in JSON', 'application/json', '{"app":1}', 400, /Expected `app` to be/],
    ['null in JSON', 'application/json', '{"max_time":null}', 400, /Expected `max_time` to be/],
    ['JSON that is an array', 'application/json', '["app"]', 400, /JSON that is an object/],
    ['JSON that is no object', 'application/json', '"s3cret"', 400, /JSON that is an object/],
    ['malformed JSON', 'application/json', '{"app": s3cret', 400, /malformed/],
    ['too large a form', FORM, `x=${'x'.repeat(4095)}`, 413, /at most 4096 bytes/],
    [
      'too large a JSON',
      'application/json',
      `{"x":"${'x'.repeat(4096)}"}`,
      413,
      /at most 4096 bytes/,
    ],
    [
      'another type',
      'text/plain',
      'app=shop',
      415,
      /application\/json or application\/x-www-form-urlencoded/,
    ],
    ['no type', '', 'app=shop', 415, /application\/json or application\/x-www-form-urlencoded/],
    ['a multipart form', 'multipart/form-data; boundary=x', '--x--', 415, /application\/json or/],
    ['another charset', 'application/json; charset=latin7', '{}', 415, /UTF-8/],
  ])('%s is refused', async (_what, type, body, status, expected) => {
    const { antract, url } = await start(express);
    const answer = await post(`${url}/enable?reason=q`, type, body);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatch(expected);
    expect(answer.body).not.toContain('s3cret');
    expect(antract.status().phase).toBe('running');
  });

  it('may contain quotes, colons and backslashes in the values of JSON', async () => {
    const { antract, url } = await start(express);
    const reason = String.raw`"app": "x", \"app\": \\`;
    const body = JSON.stringify({ app: 'shop', reason }, null, 2);
    expect((await post(`${url}/enable`, 'application/json', body)).status).toBe(200);
    expect(antract.status('shop').reason).toBe(reason);
  });

  it.each([
    ['application/json', '{"app":[]}'],
    ['application/json', '{"if_pause":[]}'],
    [FORM, 'app[]=shop'],
    [FORM, 'app=a&app=b'],
  ])('one with a list that the application has parsed is refused (%s, %s)', async (type, body) => {
    const { antract, url } = await start(
      express,
      express.json(),
      express.urlencoded({ extended: true }),
    );
    for (const endpoint of ['/enable', '/disable', '/stop']) {
      expect((await post(url + endpoint, type, body)).status).toBe(400);
    }
    expect(antract.status().phase).toBe('running');
  });

  it('that is compressed is rejected', async () => {
    const { url } = await start(express);
    const body = gzipSync('{"app":"shop"}');
    const answer = await post(`${url}/enable`, 'application/json', body, {
      'content-encoding': 'gzip',
    });
    expect(answer.status).toBe(415);
  });

  it('that is chunked counts towards the size limit', async () => {
    const { url } = await start(express);
    const answer = await post(`${url}/enable`, FORM, `x=${'x'.repeat(5000)}`, {
      'transfer-encoding': 'chunked',
    });
    expect(answer.status).toBe(413);
  });

  it('that the application has parsed takes effect', async () => {
    const { antract, url } = await start(
      express,
      express.json(),
      express.urlencoded({ extended: true }),
    );
    expect((await post(`${url}/enable`, 'application/json', '{"app":"shop"}')).status).toBe(200);
    expect((await post(`${url}/enable`, FORM, 'app=blog')).status).toBe(200);
    expect(
      antract
        .list()
        .map(({ app }) => app)
        .toSorted(),
    ).toEqual(['blog', 'shop']);
    expect((await post(`${url}/enable`, FORM, 'app[x]=blog')).status).toBe(400);
  });

  it('of a GET is rejected, because the client expected an effect', async () => {
    const { antract, url } = await start(express);
    const answer = await request(`${url}/enable`, {
      headers: { 'content-type': FORM, 'content-length': 8 },
      body: 'app=shop',
    });
    expect(answer.status).toBe(400);
    expect(answer.body).toMatch(/GET to have its parameters in the query/);
    expect(antract.status().phase).toBe('running');
  });

  it('that is cut off has no effect', async () => {
    const { antract, port } = await start(express);
    const socket = await connect(port);
    socket.write(
      `POST /enable HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${FORM}\r\nContent-Length: 12\r\n\r\nreason=x`,
    );
    const other = await connect(port);
    other.write('GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await readUntil(other, (text) => text.includes('Pause is disabled.'));
    socket.destroy();
    other.write('GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await readUntil(other, (text) => text.includes('Pause is disabled.'));
    expect(antract.status().phase).toBe('running');
  });
});
