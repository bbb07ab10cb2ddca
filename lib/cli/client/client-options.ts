/** The flags of all commands that call a running antract, and the client that they configure. */
import { Option, type Command } from 'commander';
import { secretOf } from '../../admin/access/token.ts';
import { isBlank, readAdminTokens, readTokenFile } from '../config/admin-token.ts';
import { AdminClient } from './admin-client.ts';
import { DEFAULT_ADMIN_URL, readAdminUrl } from './admin-url.ts';
import { UsageError } from '../cli-error.ts';

export interface ClientOptions {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly token?: string;
  readonly json?: boolean;
}

export const ONLY = new Option(
  '--only <which>',
  'let GET, HEAD, OPTIONS and TRACE pass, and hold all other methods',
).choices(['writes']);

export interface IgnoreLost {
  readonly ignoreLost?: boolean;
}

export function createIgnoreLost(): Option {
  return new Option(
    '--ignore-lost',
    'do not wait for silent processes; use it only if they have ended',
  );
}

/** The `lost` parameter of the admin endpoints. */
export function lostParameter({ ignoreLost }: IgnoreLost): 'ignore' | undefined {
  return ignoreLost === true ? 'ignore' : undefined;
}

/** Clients of the app learn of it by `Retry-After`. */
export function createExpect(what: 'pause' | 'stop'): Option {
  return new Option(
    '--expect <duration>',
    `how long you expect the ${what} to last; clients are told, and it ends nothing`,
  );
}

export function addClientOptions(command: Command): Command {
  return command
    .option('--url <url>', `the admin endpoints; or ANTRACT_URL (default: ${DEFAULT_ADMIN_URL})`)
    .option(
      '--token-file <file>',
      'file with the admin token; or ANTRACT_ADMIN_TOKEN_FILE, or ANTRACT_ADMIN_TOKEN with the token itself',
    )
    .option('--token <token>', 'the admin token itself; others can see it in ps')
    .option('--json', 'print JSON');
}

export function createClient(options: ClientOptions): AdminClient {
  const url = readAdminUrl(options.url ?? variable('ANTRACT_URL') ?? DEFAULT_ADMIN_URL);
  return new AdminClient(url, readToken(options));
}

/** Arguments override the environment. */
function readToken({ tokenFile, token }: ClientOptions): string | undefined {
  if (tokenFile !== undefined && token !== undefined) {
    throw new UsageError('Expected either --token-file or --token, not both.');
  }
  if (tokenFile !== undefined) {
    if (isBlank(tokenFile)) throw new UsageError('Expected `--token-file` to be a path.');
    return firstTokenOf(tokenFile);
  }
  if (token !== undefined) {
    if (isBlank(token)) throw new UsageError('Expected `--token` to be a token, but it is empty.');
    warn(
      'WRN_ANTRACT_TOKEN_ARGUMENT: other users can see --token in ps. Use --token-file instead.',
    );
    return checkToken(token, '--token');
  }
  return readTokenVariables();
}

/** First the variables of clients alone, then those that the server reads too. */
function readTokenVariables(): string | undefined {
  const token = variable('ANTRACT_TOKEN');
  const file = variable('ANTRACT_TOKEN_FILE');
  if (token !== undefined && file !== undefined) {
    throw new UsageError(
      'Expected either ANTRACT_TOKEN_FILE or ANTRACT_TOKEN to be set, not both.',
    );
  }
  if (file !== undefined) return firstTokenOf(file);
  if (token !== undefined) return checkToken(token, 'ANTRACT_TOKEN');
  const [shared] =
    readAdminTokens({
      file: process.env['ANTRACT_ADMIN_TOKEN_FILE'],
      fileSource: 'env',
      variable: process.env['ANTRACT_ADMIN_TOKEN'],
      warn,
    }) ?? [];
  return shared && secretOf(shared);
}

/** The file may be the one of the server, which can hold several tokens. */
function firstTokenOf(file: string): string | undefined {
  const [first] = readTokenFile(file, warn);
  return first && secretOf(first);
}

function checkToken(token: string, name: string): string {
  if (/^[^\p{Cc}]+$/u.test(token)) return token;
  throw new UsageError(`Expected \`${name}\` to be a token without control characters.`);
}

function warn(message: string): void {
  console.error(`antract: ${message}`);
}

/** Refuses an empty variable: the command would call another antract, or call it without a token. */
function variable(name: string): string | undefined {
  const value = process.env[name];
  if (value === undefined || !isBlank(value)) return value;
  throw new UsageError(
    `Expected \`${name}\` to have a value, but it is empty. Unset it to use the default.`,
  );
}
