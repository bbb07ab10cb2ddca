/** Reads `--url`, the address of the admin endpoints. */
import { readSocketPath } from '../../common/socket-path.ts';
import { withoutCredentials } from '../../common/validate.ts';
import { UsageError } from '../cli-error.ts';

export const DEFAULT_ADMIN_URL = 'http://127.0.0.1:8082/_antract';

const DEFAULT_PATH = '/_antract';

export interface AdminUrl {
  /** For messages. */
  readonly shown: string;
  readonly secure: boolean;
  readonly address: { host: string; port?: number } | { socketPath: string };
  /** The path before the name of an endpoint, such as `/_antract`. */
  readonly path: string;
}

export function readAdminUrl(text: string): AdminUrl {
  return text.startsWith('unix:') ? readSocket(text) : readHttp(text);
}

/** `unix:/path.sock`, or `unix:/path.sock:/admin` as in nginx. */
function readSocket(text: string): AdminUrl {
  const [, socketPath, path = DEFAULT_PATH] = /^unix:(\/[^:]+)(?::(\/.+))?$/.exec(text) ?? [];
  if (socketPath === undefined) throw expected(text);
  return {
    shown: text,
    secure: false,
    address: { socketPath: readSocketPath('--url', socketPath) },
    path: withoutSlash(path),
  };
}

function readHttp(text: string): AdminUrl {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) throw expected(text);
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') {
    throw new UsageError(
      'Expected `--url` to have no user and password. Use `--token-file` instead.',
    );
  }
  if (url.search !== '' || url.hash !== '') throw expected(text);
  const path = withoutSlash(url.pathname);
  return {
    shown: text,
    secure: url.protocol === 'https:',
    // Only a URL puts an IPv6 address in brackets.
    address: {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      ...(url.port !== '' && { port: Number(url.port) }),
    },
    path: path === '' ? DEFAULT_PATH : path,
  };
}

function withoutSlash(path: string): string {
  return path.replace(/\/+$/, '');
}

function expected(text: string): UsageError {
  return new UsageError(
    `Expected \`--url\` to be a URL such as ${DEFAULT_ADMIN_URL} or unix:/run/antract.sock, got '${withoutCredentials(text)}'.`,
  );
}
