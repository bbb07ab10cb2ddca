/**
 * Which gate a request has to pass, if any: the same for requests and for upgrades. Knows neither
 * responses nor sockets.
 */
import { inspect } from 'node:util';
import { bypassPath, isAdminPath, isHealthCheck, isPrivileged } from './bypass.ts';
import { AntractError } from '../common/errors.ts';
import type { Gate } from '../gate/gate.ts';
import { mayLackHeaders } from '../common/header-limit.ts';
import { DEFAULT_APP, readApp } from '../options/app-name.ts';
import type { AntractRequest, AppOf } from '../options/options.ts';
import type { RegistryCore } from '../registry/registry-core.ts';
import { TOO_MANY_HEADERS, type RejectionResponse } from './rejection-response.ts';
import { readObject, type Readers } from '../common/validate.ts';

/**
 * Options of `pause()` and `upgrade()`.
 *
 * @example
 * app.use(antract.pause({ app: 'shop' }));
 */
export interface PauseOptions {
  /**
   * The app that requests belong to, or a function that reads it off one; where that returns
   * undefined, and by default, it is `default`.
   */
  app?: AppOf | undefined;
}

/**
 * The gate that a request has to pass; `bypass` for one that is never held; `answer` for a health
 * check that is to be answered here; or why it can't be assigned to an app.
 */
export type Admission = Gate | 'bypass' | 'answer' | RejectionResponse;

const readers: Readers<{ app: AppOf }> = { app: readApp };

/**
 * @param kind an upgrade is never an admin request or a health check.
 * @throws AntractError `ERR_ANTRACT_OPTION`, `ERR_ANTRACT_APP_NAME`.
 */
export function createAdmission(
  core: RegistryCore,
  options: PauseOptions = {},
  kind: 'request' | 'upgrade' = 'request',
): (req: AntractRequest) => Admission {
  const { app } = readObject<{ app: AppOf }>('', options, readers, { app: DEFAULT_APP });
  core.gates.declare(typeof app === 'string' ? app : undefined);
  const { adminPath, logger } = core.settings;

  return (req) => {
    if (mayLackHeaders(req)) return TOO_MANY_HEADERS;
    removeForgedHeader(req);
    const path = kind === 'upgrade' ? undefined : bypassPath(req);
    if (path !== undefined && isAdminPath(adminPath, path)) return 'bypass';
    try {
      const gate = core.gate(typeof app === 'string' ? app : (app(req) ?? DEFAULT_APP));
      const { settings } = gate;
      if (path !== undefined && isHealthCheck(settings, req, path)) {
        return settings.answerHealthChecks && !gate.isOpen ? 'answer' : 'bypass';
      }
      return isPrivileged(settings, req) ? 'bypass' : gate;
    } catch (error) {
      if (!(error instanceof AntractError)) {
        logger.error(`The \`app\` or \`bypass\` function threw: ${inspect(error)}`);
      }
      return refusalForFault(error);
    }
  };
}

/** Tells the backend how long a request was held. A client can't send it. */
const HELD_HEADER = 'x-antract-held-ms';

const heldFor = new WeakMap<AntractRequest, number>();

/** How long a request was held, in milliseconds; undefined when it was not. */
export function heldMs(req: AntractRequest): number | undefined {
  return heldFor.get(req);
}

/** Notes how long a request was held, for `heldMs()`; and for the backend where it goes on. */
export function noteHeld(req: AntractRequest, ms: number, goesOn: boolean): void {
  heldFor.set(req, ms);
  if (goesOn) req.headers[HELD_HEADER] = String(ms);
}

/** Whatever its spelling: CGI, WSGI and Rack make `_` of each `-`. Most requests have none so long. */
function removeForgedHeader(req: AntractRequest): void {
  if (heldFor.has(req)) return;
  const { rawHeaders } = req;
  for (let i = rawHeaders.length - 2; i >= 0; i -= 2) {
    const name = rawHeaders[i] as string;
    if (name.length !== HELD_HEADER.length || !isHeldHeader(name)) continue;
    delete req.headers[name.toLowerCase()];
    rawHeaders.splice(i, 2);
  }
}

function isHeldHeader(name: string): boolean {
  return name.toLowerCase().replaceAll('_', '-') === HELD_HEADER;
}

/** The app's name is none, there are too many, or the user's own function threw. */
function refusalForFault(error: unknown): RejectionResponse {
  if (error instanceof AntractError) {
    const { code, status, message } = error;
    return { status, code, title: 'Request refused', detail: message };
  }
  return {
    status: 500,
    code: 'ERR_ANTRACT_FUNCTION',
    title: 'Internal error',
    detail: 'The request could not be assigned to an app.',
  };
}
