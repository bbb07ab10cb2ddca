/** Reads the messages of the Redis channel. Any client may publish there, so invalid messages are ignored. */
import type { StoredState, StoredReport } from './store.ts';

export interface RedisNews {
  readonly app?: string;
  readonly state?: StoredState;
  readonly report?: StoredReport;
}

export function readNews(text: string): RedisNews | undefined {
  const [kind, ...rest] = parseList(text);
  if (kind === 'state') return readState(rest);
  if (kind === 'report') return readReport(rest);
  return undefined;
}

function readState([version, at, app, value]: readonly unknown[]): RedisNews | undefined {
  if (!Number.isSafeInteger(version) || !Number.isSafeInteger(at)) return undefined;
  if (typeof app !== 'string' || typeof value !== 'string') return undefined;
  // A message is sent at the moment of the publication.
  const state = { version: version as number, value, at: at as number, now: at as number };
  return { app, state };
}

function readReport([id, value]: readonly unknown[]): RedisNews | undefined {
  if (typeof id !== 'string' || (typeof value !== 'string' && value !== null)) return undefined;
  return { report: { id, value } };
}

function parseList(text: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    // A message of another program.
    return [];
  }
}
