/** A real upload tool: `curl -T` of 100 MB, held until the server's `requestTimeout` is over. */
import { spawn } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createGateway } from '../../lib/gateway/server/gateway.ts';
import { type Antract } from '../../lib/index.ts';
import { eventually } from '../support/eventually.ts';
import { nextEvent } from '../support/next-event.ts';
import { createOpenAntract } from '../support/open-registry.ts';
import { silentLogger } from '../support/silent-logger.ts';

const SIZE_MB = 100;
const SIZE = SIZE_MB * 1024 ** 2;

let directory: string;
let file: string;
let sha256: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'antract-curl-'));
  file = join(directory, 'upload');
  const handle = await open(file, 'w');
  const hash = createHash('sha256');
  const block = Buffer.alloc(1024 ** 2);
  for (let i = 0; i < SIZE_MB; i++) {
    randomFillSync(block);
    hash.update(block);
    await handle.write(block);
  }
  await handle.close();
  sha256 = hash.digest('hex');
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Answers with what arrived: how many bytes, how they were framed, and their hash. */
const backend = createServer((req, res) => {
  const hash = createHash('sha256');
  let bytes = 0;
  req.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    hash.update(chunk);
  });
  req.on('end', () => {
    res.end(
      JSON.stringify({
        bytes,
        framing: req.headers['transfer-encoding'] ?? 'length',
        sha256: hash.digest('hex'),
      }),
    );
  });
});

async function curl(
  url: string,
  more: readonly string[],
): Promise<{ status: number; answer: unknown }> {
  const child = spawn('curl', ['-sS', '-T', file, '-w', '\n%{http_code}', ...more, url]);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`curl: ${code} ${err}`);
  const [body = '', status = ''] = out.split('\n');
  return { status: Number(status), answer: JSON.parse(body) };
}

/** Releases the upload when `enough` resolves. */
async function holdUpload(
  antract: Antract,
  url: string,
  enough: () => Promise<unknown>,
  more: readonly string[],
) {
  await antract.enable();
  const held = nextEvent(antract, 'held');
  const upload = curl(url, more);
  await held;
  await Promise.race([enough(), upload]);
  await antract.disable();
  return upload;
}

/** Resolves when the server has answered 408 to a request that never ends. */
async function expired(port: number): Promise<void> {
  const client = connect(port, '127.0.0.1');
  client.write('GET / HTTP/1.1\r\n');
  const [response] = (await once(client, 'data')) as [Buffer];
  expect(String(response)).toMatch('HTTP/1.1 408 ');
  client.destroy();
}

describe.each([
  ['with a length', 'length', []],
  ['chunked', 'chunked', ['-H', 'Transfer-Encoding: chunked']],
  ['without asking first', 'length', ['-H', 'Expect:']],
] as const)('curl -T of 100 MB, %s', (_name, framing, more) => {
  const whole = { status: 200, answer: { bytes: SIZE, framing, sha256: '' } };
  const expected = () => ({ ...whole, answer: { ...whole.answer, sha256 } });

  it('arrives complete through pause(), although it takes longer than requestTimeout', async () => {
    const antract = createOpenAntract({
      logger: silentLogger,
      spool: { directory: join(directory, 'spool') },
    });
    const pause = antract.pause();
    const server = createServer({ connectionsCheckingInterval: 50 }, (req, res) =>
      pause(req, res, () => backend.emit('request', req, res)),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const timeOut = async () => {
      await eventually('the whole body', () => antract.core.totalSpooledBytes() === SIZE, 50_000);
      // From now on Node answers 408 to any request that has not arrived in full.
      server.requestTimeout = 1;
      await expired(port);
    };
    expect(await holdUpload(antract, `http://127.0.0.1:${port}/`, timeOut, more)).toEqual(
      expected(),
    );
    server.close();
    await antract.close();
  }, 60_000);

  it('arrives complete through the gateway', async () => {
    if (!backend.listening) {
      backend.listen(0, '127.0.0.1');
      await once(backend, 'listening');
    }
    const { port } = backend.address() as AddressInfo;
    const gateway = createGateway({
      target: `http://127.0.0.1:${port}`,
      port: 0,
      logger: silentLogger,
    });
    const { url } = await gateway.listen();
    const spooled = () =>
      eventually('the whole body', () => gateway.antract.status().spooledBytes === SIZE, 50_000);
    const { status, answer } = await holdUpload(gateway.antract, `${url}/`, spooled, more);
    expect({ status, answer }).toEqual(expected());
    await gateway.close();
  }, 60_000);
});

afterAll(() => {
  backend.closeAllConnections();
  backend.close();
});
