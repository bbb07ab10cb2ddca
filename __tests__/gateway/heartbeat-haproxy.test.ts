/**
 * The heartbeat behind a real HAProxy, in real time: a hold of 8 s where the proxy gives up on a
 * response after 3 s. Needs the program: `apt-get install haproxy`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createAntract, type Antract, type AntractOptions } from '../../lib/index.ts';
import { closeAll, listen } from '../support/http.ts';
import { describeWith } from '../support/tools.ts';

const HOLD_MS = 8000;

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

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
const describeHere = describeWith('haproxy', 'haproxy');

let directory: string;
let haproxy: ChildProcess | undefined;

async function open(options: AntractOptions, index: number): Promise<Site> {
  const antract = createAntract({ logger, ...options });
  const pause = antract.pause();
  const { port } = await listen((req, res) => pause(req, res, () => res.end('done')));
  return { antract, port, socketPath: path.join(directory, `${index}.sock`) };
}

const CONFIG = `
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 3s
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

async function get(socketPath: string): Promise<Answer> {
  const start = performance.now();
  const informational: number[] = [];
  const req = http.get({ socketPath, path: '/', agent: false });
  req.on('information', ({ statusCode }) => informational.push(statusCode));
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of res) body += String(chunk);
  const afterMs = performance.now() - start;
  return { status: res.statusCode, body, afterMs, informational };
}

async function hold({ antract, socketPath }: Site): Promise<Answer> {
  await antract.enable();
  const answer = get(socketPath);
  await once(antract.registry, 'held');
  await wait(HOLD_MS);
  await antract.disable();
  return answer;
}

describeHere('behind HAProxy with `timeout server 3s` (apt-get install haproxy)', () => {
  const answers: Partial<Record<keyof typeof VARIANTS, Answer>> = {};

  // All at once, as it takes that long in real time.
  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'antract-haproxy-'));
    const sites = await Promise.all(Object.values(VARIANTS).map(open));
    await startHaproxy(sites);
    const all = await Promise.all(sites.map(hold));
    Object.keys(VARIANTS).forEach((name, index) => {
      answers[name as keyof typeof VARIANTS] = all[index] as Answer;
    });
  }, 3 * HOLD_MS);

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
  ] as const)('a hold of 8 s with %s is answered', (name, status) => {
    const answer = answers[name];
    expect(answer).toMatchObject({ status: 200, body: 'done' });
    expect(answer?.afterMs).toBeGreaterThan(HOLD_MS - 100);
    expect(new Set(answer?.informational)).toEqual(new Set([status]));
  });

  it('a hold of 8 s with no heartbeat is not', () => {
    expect(answers['no heartbeat']).toMatchObject({ status: 504, informational: [] });
    expect(answers['no heartbeat']?.afterMs).toBeLessThan(HOLD_MS);
  });
});
