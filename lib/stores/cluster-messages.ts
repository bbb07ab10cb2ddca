/**
 * The messages between workers and their primary. Other packages use the same channel, so each message has
 * a mark, and all other messages are ignored.
 */
import { AntractError } from '../common/errors.ts';
import {
  PROTOCOL,
  type Publication,
  type Store,
  type StoredState,
  type StoredReport,
} from './store.ts';

const MARK = 'antract:store';

export const DEFAULT_NAME = 'antract';

/** The arguments of each call. */
export interface Calls {
  load: [];
  /** `deadline` is a `machineTime()`: the primary may have been frozen while the message waited. */
  publish: [app: string, publication: Omit<Publication, 'withinMs'>, deadline: number];
  /** The worker chooses the number, and unsubscribes with it. */
  subscribe: [subscription: number];
  unsubscribe: [subscription: number];
  report: [report: StoredReport, ttlMs: number, deadline: number];
  reports: [];
  /** Ends all subscriptions of this store. */
  close: [];
}

export type Method = keyof Calls;

/** The answer to `subscribe`: what the primary's store says of itself. */
export type StoreTraits = Required<Pick<Store, 'startsEmpty' | 'isDurable'>>;

/** A message of a worker. */
export interface StoreCall {
  readonly mark: typeof MARK;
  /** Version 0.1.0 sends none. */
  readonly protocol?: number;
  /** The name of the store; a cluster may have several. */
  readonly name: string;
  /** Identifies the store in the worker. */
  readonly from: string;
  readonly id: number;
  readonly method: Method;
  readonly args: readonly unknown[];
}

/** A message of the primary. */
export interface Reply {
  readonly mark: typeof MARK;
  readonly to: string;
  readonly answer?: { readonly id: number; readonly value?: unknown; readonly error?: string };
  readonly told?: {
    readonly subscription: number;
    readonly state?: readonly [app: string, state: StoredState];
    readonly report?: StoredReport;
  };
}

export function toCall(call: Omit<StoreCall, 'mark' | 'protocol'>): StoreCall {
  return { mark: MARK, protocol: PROTOCOL, ...call };
}

export function toReply(reply: Omit<Reply, 'mark'>): Reply {
  return { mark: MARK, ...reply };
}

export function readCall(message: unknown, name: string): StoreCall | undefined {
  if (!isRecord(message) || message['mark'] !== MARK || message['name'] !== name) return undefined;
  const { from, id, method, args } = message as Partial<StoreCall>;
  const isCall =
    typeof from === 'string' &&
    Number.isSafeInteger(id) &&
    typeof method === 'string' &&
    Array.isArray(args);
  return isCall ? (message as unknown as StoreCall) : undefined;
}

export function readReply(message: unknown, to: string): Reply | undefined {
  if (!isRecord(message) || message['mark'] !== MARK || message['to'] !== to) return undefined;
  return message as unknown as Reply;
}

/** @throws AntractError `ERR_ANTRACT_PROTOCOL` */
export function checkProtocol({ protocol = PROTOCOL }: StoreCall): void {
  if (protocol === PROTOCOL) return;
  throw new AntractError(
    'ERR_ANTRACT_PROTOCOL',
    `A worker sends messages of version ${protocol}, and this primary reads version ${PROTOCOL}. ` +
      'Restart the primary, so that both run the same version of antract.',
    { status: 503 },
  );
}

/** @throws AntractError `ERR_ANTRACT_STORE` */
export const readArgs: { [M in Method]: (args: readonly unknown[]) => Calls[M] } = {
  load: () => [],
  publish: ([app, publication, deadline]) => {
    const { expected, value, ttlMs } = isRecord(publication) ? publication : {};
    expect(typeof app === 'string' && isCount(expected) && typeof value === 'string');
    expect(isCount(ttlMs));
    return [app as string, { expected, value, ttlMs } as Publication, readCount(deadline)];
  },
  subscribe: ([subscription]) => [readCount(subscription)],
  unsubscribe: ([subscription]) => [readCount(subscription)],
  report: ([report, ttlMs, deadline]) => {
    const { id, value } = isRecord(report) ? report : {};
    expect(typeof id === 'string' && (typeof value === 'string' || value === null));
    return [{ id, value } as StoredReport, readCount(ttlMs), readCount(deadline)];
  },
  reports: () => [],
  close: () => [],
};

function expect(isSo: boolean): void {
  if (!isSo)
    throw new AntractError(
      'ERR_ANTRACT_STORE',
      'A worker sent a message that can not be read. Do the primary and its workers run the same version?',
    );
}

function readCount(value: unknown): number {
  expect(isCount(value));
  return value as number;
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
