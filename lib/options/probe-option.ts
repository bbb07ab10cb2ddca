/**
 * Reads the `probe` option.
 */
import { connectCheck, httpCheck, type BackendCheck } from '../probe/backend-probe.ts';
import { readSocketPath } from '../common/socket-path.ts';
import {
  duration,
  expected,
  func,
  integer,
  oneOf,
  readObject,
  type Reader,
  type Readers,
} from '../common/validate.ts';
import type { ProbeSettings } from './settings.ts';

type CheckFunction = (signal: AbortSignal) => Promise<boolean | void> | boolean | void;

interface ProbeRead extends Omit<ProbeSettings, 'check'> {
  readonly url: BackendCheck | undefined;
  readonly connect: BackendCheck | undefined;
  readonly check: BackendCheck | undefined;
}

const readUrl: Reader<BackendCheck> = (name, value) => {
  if (typeof value === 'string' && URL.canParse(value)) {
    const url = new URL(value);
    if (url.protocol === 'http:' || url.protocol === 'https:') return httpCheck(url);
  }
  throw expected(name, "a URL such as 'http://127.0.0.1:3000/up'", value);
};

const readConnect: Reader<BackendCheck> = (name, value) => {
  if (typeof value === 'string' && value.startsWith('/')) {
    return connectCheck({ path: readSocketPath(name, value) });
  }
  const address = typeof value === 'string' ? /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(value) : null;
  const port = Number(address?.[3]);
  if (address && port <= 65_535)
    return connectCheck({ host: address[1] ?? address[2] ?? '', port });
  throw expected(name, "'host:port', or the path of a Unix socket", value);
};

const readCheck: Reader<BackendCheck> = (name, value) => {
  const check = func<CheckFunction>('(signal) => Promise<boolean>')(name, value);
  const throwing = async (signal: AbortSignal): Promise<void> => {
    if ((await check(signal)) === false) throw new Error('the check returned false');
  };
  // The gateway passes its own check of a path as a function, too.
  const { path } = check as BackendCheck;
  return typeof path === 'string' ? Object.assign(throwing, { path }) : throwing;
};

const readers: Readers<ProbeRead> = {
  url: readUrl,
  connect: readConnect,
  check: readCheck,
  threshold: integer({ min: 1 }),
  timeout: duration(),
  onTimeout: oneOf('release', 'stop'),
};

export const ONE_CHECK = 'an object with one of `url`, `connect` and `check`';

/** @param inherited fills in each field that `value` leaves out. */
export function readProbe(name: string, value: unknown, inherited: ProbeSettings): ProbeSettings {
  const defaults = { ...inherited, url: undefined, connect: undefined, check: undefined };
  const { url, connect, check, ...rest } = readObject<ProbeRead>(
    `${name}.`,
    value,
    readers,
    defaults,
  );
  const given = [url, connect, check].filter((one) => one !== undefined);
  if (given.length > 1) throw expected(name, ONE_CHECK, value);
  return { ...rest, check: given[0] ?? inherited.check };
}
