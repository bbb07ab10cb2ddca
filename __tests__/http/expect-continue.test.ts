import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createAntract } from '../../lib/index.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';
import { silentLogger } from '../support/silent-logger.ts';

const HEAD = 'POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n';

afterEach(closeAll);

async function start(attach = true) {
  const antract = createAntract({ logger: silentLogger });
  const pause = antract.pause();
  const site = await listen((req, res) => {
    const echo = (): void => void req.pipe(res);
    if (req.url === '/ungated') echo();
    else pause(req, res, echo);
  });
  if (attach) antract.attach(site.server);
  return { ...site, antract };
}

describe('a client that sends Expect: 100-continue', () => {
  it.each(['/up', '/ungated'])('gets 100 Continue while the app is running (%s)', async (path) => {
    const { port } = await start();
    const socket = await connect(port);
    socket.write(HEAD.replace('/up', path));
    expect(await readUntil(socket, (text) => text.includes('\r\n\r\n'))).toMatch(
      /^HTTP\/1\.1 100 /,
    );
    socket.write('hello');
    expect(await readUntil(socket, (text) => text.includes('hello'))).toContain('200 OK');
  });

  it('sends its body only when its request is released', async () => {
    const { port, url, antract } = await start();
    await antract.enable();
    const socket = await connect(port);
    let early = '';
    socket.on('data', (chunk: Buffer) => (early += chunk.toString()));
    socket.write(HEAD);
    await nextEvent(antract, 'held');
    // Whatever Node had to say by itself would have come ahead of the answer to another request.
    await request(`${url}/ungated`);
    expect(early).toBe('');
    await antract.disable();
    while (!early.includes('100 Continue')) await once(socket, 'data');
    socket.write('hello');
    while (!early.includes('hello')) await once(socket, 'data');
    expect(early).toContain('200 OK');
  });

  it('may send its body while held, and is served', async () => {
    const { port, antract } = await start();
    await antract.enable();
    const socket = await connect(port);
    socket.write(`${HEAD}hello`);
    await nextEvent(antract, 'held');
    await antract.disable();
    expect(await readUntil(socket, (text) => text.includes('hello'))).toContain('200 OK');
  });

  it('is rejected before it sends its body, and the connection ends', async () => {
    const { port, antract } = await start();
    await antract.stop();
    const socket = await connect(port);
    const ended = once(socket, 'end');
    socket.write(HEAD);
    const text = await readUntil(socket, (all) => all.includes('}'));
    expect(text).toMatch(/^HTTP\/1\.1 503 /);
    expect(text).toContain('Connection: close');
    await ended;
  });
});
