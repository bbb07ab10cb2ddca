/** Spoolers and servers that are closed after each test. */
import { afterEach } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import type { promises } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readSpoolOptions, type SpoolOptions } from '../../lib/options/spool-settings.ts';
import {
  createSpooler,
  type Spool,
  type Spooler,
  type SpoolerDeps,
  type SpoolRequest,
} from '../../lib/spool/spooler.ts';
import { type Disk, systemDisk } from '../../lib/spool/spool-file.ts';
import { listen } from './bodies.ts';
import { until } from './eventually.ts';

export const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

export async function spooler(
  options: SpoolOptions = {},
  deps: Partial<SpoolerDeps> = {},
): Promise<{ spooler: Spooler; directory: string; warnings: string[] }> {
  const directory = await mkdtemp(path.join(tmpdir(), 'antract-test-'));
  const warnings: string[] = [];
  const settings = readSpoolOptions({ directory, ...options });
  const made = createSpooler(settings, { warn: (message) => warnings.push(message), ...deps });
  cleanups.push(
    () => rm(directory, { recursive: true, force: true }),
    () => made.close(),
  );
  return { spooler: made, directory, warnings };
}

export type Handler = (req: http.IncomingMessage, res: http.ServerResponse) => unknown;

export async function serve(handler: Handler): Promise<number> {
  const server = http.createServer((req, res) => {
    Promise.resolve(handler(req, res)).catch((error: unknown) => {
      if (!res.headersSent) res.statusCode = 500;
      res.end(String(error));
    });
  });
  return listen(cleaned(server));
}

/** Closes the server, and what is still connected to it, after the test. */
export function cleaned<T extends http.Server>(server: T): T {
  cleanups.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return server;
}

export const isOver = (spool: Spool) => spool.state !== 'collecting';

/** When a hold begins and how far the upload has come when it ends. */
export const HOLDS: Record<string, (begin: () => Spool, req: SpoolRequest) => Promise<Spool>> = {
  'until the whole body is here': async (begin) => {
    const spool = begin();
    await until(() => isOver(spool));
    return spool;
  },
  'while the body is still arriving': async (begin) => {
    const spool = begin();
    await until(() => isOver(spool) || spool.bytes > 100_000);
    return spool;
  },
  'for no time at all': async (begin) => begin(),
  'after Node has stopped the connection': async (begin, req) => {
    // http2 has not even asked for the first piece.
    const isStopped = () => req.complete || req.readableLength >= req.readableHighWaterMark;
    if (req.httpVersionMajor === 1) await until(isStopped);
    else for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    const spool = begin();
    await until(() => isOver(spool));
    return spool;
  },
  twice: async (begin) => {
    const first = begin();
    await until(() => isOver(first) || first.bytes > 50_000);
    first.release();
    const second = begin();
    await until(() => isOver(second) || second.bytes > 150_000);
    return second;
  },
  'twice, a while apart': async (begin) => {
    const first = begin();
    await until(() => isOver(first) || first.bytes > 50_000);
    first.release();
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
    const second = begin();
    await until(() => isOver(second) || second.bytes > 150_000);
    return second;
  },
};

/** Holds until the whole body is here. */
export async function collected(spool: Spool): Promise<Spool> {
  await until(() => isOver(spool));
  return spool;
}

/** A real disk whose file handles do `changed` first. */
export function diskWith(changed: Partial<promises.FileHandle>): Disk {
  return {
    ...systemDisk,
    async open(file, flags, mode) {
      const handle = await systemDisk.open(file, flags, mode);
      return new Proxy(handle, {
        get(target, name: keyof promises.FileHandle) {
          const own = changed[name] as ((...args: unknown[]) => unknown) | undefined;
          const method = own ?? (target[name] as (...args: unknown[]) => unknown);
          return typeof method === 'function' ? method.bind(target) : method;
        },
      });
    },
  };
}
