/** Clients that ask again and again, and what became of each of their requests. */
import http from 'node:http';
import { request } from './http.ts';

export interface Sent {
  /** As the backend sees it; no two are the same. */
  readonly path: string;
  readonly method: string;
  /** Undefined where there was no answer at all. */
  readonly status: number | undefined;
}

export interface Load {
  /** What has ended so far. */
  readonly sent: readonly Sent[];
  /** Resolves when the requests under way have ended, too. */
  stop(): Promise<void>;
}

/**
 * Each client keeps a connection, and every other of its requests is an upload.
 *
 * @param name tells its requests from those of another load.
 */
export function startLoad(url: string, clients: number, upload: Buffer, name = 'load'): Load {
  const agent = new http.Agent({ keepAlive: true, maxSockets: clients });
  const sent: Sent[] = [];
  let count = 0;
  const end = new AbortController();
  const one = async (): Promise<void> => {
    const path = `/${name}?id=${count++}`;
    const method = count % 2 ? 'GET' : 'POST';
    const body = method === 'POST' ? { body: upload } : {};
    const answer = await request(`${url}${path}`, { method, agent, ...body }).catch(
      () => undefined,
    );
    sent.push({ path, method, status: answer?.status });
  };
  const all = Array.from({ length: clients }, async () => {
    while (!end.signal.aborted) await one();
  });
  return {
    sent,
    async stop() {
      end.abort();
      await Promise.all(all);
      agent.destroy();
    },
  };
}
