import { describe, expect, it } from '@jest/globals';
import busboy from 'busboy';
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import multer from 'multer';
import { readdir } from 'node:fs/promises';
import http from 'node:http';
import { gzipSync } from 'node:zlib';
import type { Spooler } from '../../lib/spool/spooler.ts';
import { body, CONSUMERS, listen, sha256, SIZES, upload } from '../support/bodies.ts';
import { until } from '../support/eventually.ts';
import { cleaned, collected, HOLDS, serve, spooler } from '../support/spooler.ts';

describe.each(Object.keys(CONSUMERS))('a held body read with %s', (consumer) => {
  it.each(Object.keys(HOLDS))('arrives complete when held %s', async (hold) => {
    const { spooler: store, directory } = await spooler({ memory: 16 * 1024 });
    const port = await serve(async (req, res) => {
      const spool = await HOLDS[hold]!(() => store.begin(req, { res }), req);
      spool.release();
      res.end(await CONSUMERS[consumer]!(req));
    });
    for (const size of SIZES) {
      for (const chunked of [false, true]) {
        const bytes = body(size);
        const answer = await upload(port, { pieces: [bytes], chunked });
        expect({ size, chunked, ...answer }).toEqual({
          size,
          chunked,
          status: 200,
          text: sha256(bytes),
        });
      }
    }
    await until(() => store.files === 0);
    expect(store.bytes).toBe(0);
    expect(await readdir(directory)).toEqual([]);
  });
});

/** Each framework's way to a body, on the same held request; answers with what it got. */
async function app(store: Spooler): Promise<number> {
  const web = express();
  web.disable('x-powered-by');
  web.use((req, res, next) => {
    void collected(store.begin(req, { res })).then((spool) => {
      spool.release();
      next();
    });
  });
  const limit = '10mb';
  web.post('/json', express.json({ limit }), (req, res) => void res.send(sha256(req.body.text)));
  web.post('/form', express.urlencoded({ limit }), (req, res) => {
    res.send(sha256(req.body.text));
  });
  web.post('/raw', express.raw({ limit, type: '*/*' }), (req, res) => {
    res.send(sha256(Buffer.isBuffer(req.body) ? req.body : ''));
  });
  web.post('/multer', multer().single('file'), (req, res) => {
    res.send(sha256(req.file?.buffer ?? 'nothing'));
  });
  web.post('/busboy', (req, res) => {
    const form = busboy({ headers: req.headers });
    form.on('file', (_name, file) => {
      void CONSUMERS['pipe']!(file).then((digest) => res.send(digest));
    });
    req.pipe(form);
  });
  return listen(cleaned(http.createServer(web)));
}

function multipart(content: Buffer): { pieces: Buffer[]; headers: http.OutgoingHttpHeaders } {
  const head =
    '--edge\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n' +
    'Content-Type: application/octet-stream\r\n\r\n';
  return {
    pieces: [Buffer.from(head), content, Buffer.from('\r\n--edge--\r\n')],
    headers: { 'content-type': 'multipart/form-data; boundary=edge' },
  };
}

describe('a held body in a framework', () => {
  it.each(['/multer', '/busboy'])('is parsed as a form by %s', async (url) => {
    const { spooler: store } = await spooler();
    const port = await app(store);
    for (const size of SIZES) {
      for (const chunked of [false, true]) {
        const answer = await upload(port, { ...multipart(body(size)), chunked, path: url });
        expect({ size, chunked, ...answer }).toMatchObject({
          status: 200,
          text: sha256(body(size)),
        });
      }
    }
  });

  it.each([
    ['/json', 'application/json', (content: string) => JSON.stringify({ text: content })],
    ['/form', 'application/x-www-form-urlencoded', (content: string) => `text=${content}`],
    ['/raw', 'application/octet-stream', (content: string) => content],
  ])('is parsed by %s', async (url, type, wrap) => {
    const { spooler: store } = await spooler();
    const port = await app(store);
    for (const size of SIZES) {
      for (const chunked of [false, true]) {
        const content = 'x'.repeat(size);
        const pieces = [Buffer.from(wrap(content))];
        const headers = { 'content-type': type };
        const answer = await upload(port, { pieces, headers, chunked, path: url });
        expect({ size, chunked, ...answer }).toMatchObject({ status: 200, text: sha256(content) });
      }
    }
  });

  it('keeps its Content-Encoding and is decoded', async () => {
    const { spooler: store } = await spooler();
    const port = await app(store);
    const content = body(300_000).toString('hex');
    const pieces = [gzipSync(JSON.stringify({ text: content }))];
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const answer = await upload(port, { pieces, headers, path: '/json' });
    expect(answer).toMatchObject({ status: 200, text: sha256(content) });
  });

  it.each(Object.keys(HOLDS))('is proxied to a backend when held %s', async (hold) => {
    const { spooler: store } = await spooler();
    const backend = await serve(async (req, res) => {
      const digest = await CONSUMERS['pipe']!(req);
      res.end(`${req.headers['content-length'] ?? 'chunked'} ${digest}`);
    });
    const proxy = createProxyMiddleware({ target: `http://127.0.0.1:${backend}` });
    const port = await serve(async (req, res) => {
      (await HOLDS[hold]!(() => store.begin(req, { res }), req)).release();
      await proxy(req, res, () => undefined);
    });
    for (const size of SIZES) {
      for (const chunked of [false, true]) {
        const answer = await upload(port, { pieces: [body(size)], chunked });
        const framing = chunked ? 'chunked' : size;
        expect(answer).toEqual({ status: 200, text: `${framing} ${sha256(body(size))}` });
      }
    }
  });
});
