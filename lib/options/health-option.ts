/**
 * Reads the `health` option into one way to look. Asks nothing itself.
 */
import { connectCheck, httpCheck, type HealthCheck } from '../probe/backend-probe.ts';
import { readSocketPath } from '../common/socket-path.ts';
import { expected, func, readObject, type Reader, type Readers } from '../common/validate.ts';

type OwnCheck = (signal: AbortSignal) => Promise<boolean | void> | boolean | void;

interface HealthRead {
  url: URL | undefined;
  connect: HealthCheck | undefined;
  check: OwnCheck | undefined;
}

const readUrl: Reader<URL> = (name, value) => {
  if (typeof value === 'string' && URL.canParse(value)) {
    const url = new URL(value);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  }
  throw expected(name, "a URL such as 'http://127.0.0.1:3000/up'", value);
};

const readConnect: Reader<HealthCheck> = (name, value) => {
  if (typeof value === 'string' && value.startsWith('/')) {
    return connectCheck({ path: readSocketPath(name, value) });
  }
  const address = typeof value === 'string' ? /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(value) : null;
  const port = Number(address?.[3]);
  if (address && port <= 65_535)
    return connectCheck({ host: address[1] ?? address[2] ?? '', port });
  throw expected(name, "'host:port', or the path of a Unix socket", value);
};

const readers: Readers<HealthRead> = {
  url: readUrl,
  connect: readConnect,
  check: func('(signal) => Promise<boolean>'),
};

export function readHealth(name: string, value: unknown): HealthCheck {
  const defaults: HealthRead = { url: undefined, connect: undefined, check: undefined };
  const read = readObject(`${name}.`, value, readers, defaults);
  const given = Object.values(read).filter((way) => way !== undefined);
  if (given.length !== 1) throw expected(name, 'one of `url`, `connect` and `check`', value);
  if (read.url) return httpCheck(read.url);
  return read.connect ?? ownCheck(read.check as OwnCheck);
}

function ownCheck(check: OwnCheck): HealthCheck {
  const own = async (signal: AbortSignal): Promise<void> => {
    if ((await check(signal)) === false) throw new Error('the check said no');
  };
  // A gateway's own check of a path comes this way too.
  const { path } = check as HealthCheck;
  return typeof path === 'string' ? Object.assign(own, { path }) : own;
}
