/** Asks the admin endpoints of a gateway, and waits for its states. */
import { untilSeen } from './eventually.ts';
import { request } from './http.ts';

/** A gateway, by where its admin endpoints are. */
export interface Administered {
  readonly adminUrl: string;
}

export interface ProcessStatus {
  readonly pid: number;
  readonly held: number;
  readonly inFlight: number;
  readonly leaving: boolean;
  readonly acknowledged: boolean;
  readonly drained: boolean;
  readonly seenMs: number;
}

export interface LostProcess {
  readonly host: string;
  readonly pid: number;
  readonly silentForMs: number;
  readonly ended: boolean;
  readonly fenced: boolean;
  readonly blocksDrain: boolean;
}

/** What tests look at in a status. The last three are there where several processes share the app. */
export interface Status {
  readonly phase: string;
  readonly held: number;
  readonly inFlight: number;
  readonly pauseId: string | null;
  readonly endsInMs: number | null;
  readonly leaseEndsInMs: number | null;
  readonly expectedEndInMs: number | null;
  readonly reason: string | null;
  readonly store: string;
  readonly processes: readonly ProcessStatus[];
  readonly lostProcesses: readonly LostProcess[];
}

/** What an admin endpoint answers: its HTTP status, and its JSON. */
export async function callAdmin(
  { adminUrl }: Administered,
  text: string,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers = { Accept: 'application/json' };
  const { status, body } = await request(`${adminUrl}/${text}`, { headers });
  return { status, body: JSON.parse(body) as Record<string, unknown> };
}

/** The status of an app that a command answers with, beside the HTTP status. */
export async function command(
  gateway: Administered,
  text: string,
): Promise<Status & { drained?: boolean; status: number }> {
  const { status, body } = await callAdmin(gateway, text);
  return { ...(body as unknown as Status), status };
}

export function statusOf(gateway: Administered): Promise<Status> {
  return command(gateway, 'status?app=default');
}

/**
 * Resolves with the first status that is as it should be. Takes less than the 20 s of a test, so that
 * the failure is that of this wait, and says what it waited for.
 */
export function untilStatus(
  gateway: Administered,
  what: string,
  isSo: (status: Status) => boolean,
  ms = 18_000,
): Promise<Status> {
  return untilSeen(what, () => statusOf(gateway), isSo, ms);
}

/** Resolves when so many processes know of each other, by what one of them says. */
export function untilProcesses(gateway: Administered, count: number, ms?: number): Promise<Status> {
  // There is no list where one process has the app for itself.
  const isSo = ({ processes = [] }: Partial<Status>): boolean => processes.length === count;
  return untilStatus(gateway, `${count} processes`, isSo, ms);
}
