/** `body-client.mjs <url> <GET|POST> <bytes> [hash]`: one large body. Sends its time and what arrived. */
import { createHash } from 'node:crypto';
import http from 'node:http';
import { sendBytes } from '../support/bytes.mjs';

const [, , url, method, size, option] = process.argv;
const bytes = Number(size);
const hash = option === 'hash' ? createHash('sha1') : undefined;
const start = performance.now();

const headers = method === 'POST' ? { 'Content-Length': bytes } : {};
const target = `${url}?bytes=${bytes}${hash ? '&hash' : ''}`;
const req = http.request(target, { method, headers }, (res) => {
  let text = '';
  let received = 0;
  res.on('data', (chunk) => {
    received += chunk.length;
    if (method === 'POST') text += chunk;
  });
  res.on('end', () => {
    const arrived = method === 'POST' ? JSON.parse(text) : { received };
    const whole = arrived.received === bytes && arrived.hash === hash?.digest('hex');
    const result = { ms: performance.now() - start, status: res.statusCode, whole };
    process.send(result, () => process.disconnect());
  });
});
req.on('error', (error) => {
  process.send({ error: error.message }, () => process.disconnect());
});
if (method === 'POST') await sendBytes(req, bytes, hash);
else req.end();
