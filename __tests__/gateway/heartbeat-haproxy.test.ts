/**
 * The heartbeat behind a real HAProxy, which gives up on a response after 3 s without a byte. Needs the program: `apt-get install haproxy`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createAntract, type Antract, type AntractOptions } from '../../lib/index.ts';
import { closeAll, listen } from '../support/http.ts';
import { describeWith } from '../support/programs.ts';
import { nextEvent } from '../support/next-event.ts';
import { silentLogger } from '../support/silent-logger.ts';

const PROXY_TIMEOUT_MS = 3000;

const VARIANTS = {
  'a heartbeat of 102': { heartbeat: { every: '1s', status: 102 } },
  'a heartbeat of 103': { heartbeat: { every: '1s', status: 103 } },
  'no heartbeat': {},
} satisfies Record<string, AntractOptions>;

interface Site {
  antract: Antract;
  port: number;
  /** Where HAProxy listens for it. */
  socketPath: string;
}

interface Answer {
  status: number | undefined;
  body: string;
  afterMs: number;
  /** Statuses of the informational responses that came first. */
  informational: number[];
}

const describeHere = describeWith('haproxy', 'haproxy');

let directory: string;
let haproxy: ChildProcess | undefined;

async function open(options: AntractOptions, index: number): Promise<Site> {
  const antract = createAntract({ logger: silentLogger, ...options });
  const pause = antract.pause();
  const { port } = await listen((req, res) => pause(req, res, () => res.end('done')));
  return { antract, port, socketPath: path.join(directory, `${index}.sock`) };
}

const CONFIG = `
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server ${PROXY_TIMEOUT_MS}ms
`;

function configure({ port, socketPath }: Site, index: number): string {
  return `listen site${index}\n  bind unix@${socketPath}\n  server antract 127.0.0.1:${port}\n`;
}

/** Resolves when it listens. In a master and a worker, as only then it says so. */
async function startHaproxy(sites: Site[]): Promise<void> {
  const file = path.join(directory, 'haproxy.cfg');
  writeFileSync(file, CONFIG + sites.map(configure).join(''));
  const child = spawn('haproxy', ['-W', '-db', '-f', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  haproxy = child;
  await once(child, 'spawn');
  let said = '';
  for await (const chunk of child.stderr.setEncoding('utf8')) {
    said += String(chunk);
    if (said.includes('Loading success')) return;
  }
  throw new Error(`HAProxy did not start: ${said}`);
}

function get(socketPath: string): HeldRequest {
  const start = performance.now();
  const informational: number[] = [];
  const req = http.get({ socketPath, path: '/', agent: false });
  req.on('information', ({ statusCode }) => informational.push(statusCode));
  const read = async (): Promise<Answer> => {
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    const body = await text(res);
    const afterMs = performance.now() - start;
    return { status: res.statusCode, body, afterMs, informational };
  };
  return {
    answer: read(),
    async heartbeats(count) {
      const enough = informational.length + count;
      while (informational.length < enough) await once(req, 'information');
    },
  };
}

interface HeldRequest {
  answer: Promise<Answer>;
  /** Resolves when so many more informational responses have arrived. */
  heartbeats(count: number): Promise<void>;
}

async function hold({ antract, socketPath }: Site): Promise<HeldRequest> {
  await antract.enable();
  const held = get(socketPath);
  await nextEvent(antract, 'held');
  return held;
}

describeHere('behind HAProxy with `timeout server 3s` (apt-get install haproxy)', () => {
  const answers: Partial<Record<keyof typeof VARIANTS, Answer>> = {};

  /** All at once, as the proxy's timeout takes real time. */
  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'antract-haproxy-'));
    const sites = await Promise.all(Object.values(VARIANTS).map(open));
    await startHaproxy(sites);
    const held: HeldRequest[] = [];
    // The one without a heartbeat comes last: when it has timed out, the others are held for longer.
    for (const site of sites) held.push(await hold(site));
    await held.at(-1)?.answer;
    await Promise.all(held.slice(0, -1).map((one) => one.heartbeats(2)));
    for (const { antract } of sites) await antract.disable();
    for (const [index, name] of Object.keys(VARIANTS).entries()) {
      answers[name as keyof typeof VARIANTS] = (await held[index]?.answer) as Answer;
    }
  });

  afterAll(async () => {
    if (haproxy && haproxy.exitCode === null) {
      haproxy.kill();
      await once(haproxy, 'exit');
    }
    await closeAll();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each([
    ['a heartbeat of 102', 102],
    ['a heartbeat of 103', 103],
  ] as const)(
    'a request with %s is answered though it is held for longer than that',
    (name, status) => {
      const answer = answers[name];
      expect(answer).toMatchObject({ status: 200, body: 'done' });
      expect(answer?.afterMs).toBeGreaterThan(PROXY_TIMEOUT_MS);
      expect(new Set(answer?.informational)).toEqual(new Set([status]));
    },
  );

  it('a request with no heartbeat is answered 504 by HAProxy', () => {
    expect(answers['no heartbeat']).toMatchObject({ status: 504, informational: [] });
  });
});
