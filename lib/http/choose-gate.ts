/** Finds the gate of a request, if it needs one. The same for requests and for upgrades. */
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
import { removeForgedHeader } from './held-time.ts';

/**
 * Options of `pause()` and `upgrade()`.
 *
 * @example
 * app.use(antract.pause({ app: 'shop' }));
 */
export interface PauseOptions {
  /**
   * The app that requests belong to, or a function that returns the app of a request. Set it to put
   * several backends behind one process. If the function returns undefined, the app is `default`.
   *
   * @default 'default'
   */
  app?: AppOf | undefined;
}

/** A health check that antract answers in place of the backend. */
export interface HealthCheck {
  readonly answeredBy: Gate;
}

/**
 * The gate of a request; `bypass` if it is never held; a health check to be answered here; or a rejection,
 * because no app could be found.
 */
export type GateChoice = Gate | 'bypass' | HealthCheck | RejectionResponse;

const readers: Readers<{ app: AppOf }> = { app: readApp };

/**
 * @param kind an upgrade is never an admin request or a health check.
 * @throws AntractError `ERR_ANTRACT_OPTION`, `ERR_ANTRACT_APP_NAME`.
 */
export function createGateChooser(
  core: RegistryCore,
  options: PauseOptions = {},
  kind: 'request' | 'upgrade' = 'request',
): (req: AntractRequest) => GateChoice {
  const { app } = readObject<{ app: AppOf }>('', options, readers, { app: DEFAULT_APP });
  core.gates.declare(typeof app === 'string' ? app : undefined);
  let onlyGate: Gate | undefined;
  const { adminPath, logger } = core.settings;

  return (req) => {
    if (mayLackHeaders(req)) return TOO_MANY_HEADERS;
    removeForgedHeader(req);
    const path = kind === 'upgrade' ? undefined : bypassPath(req);
    if (path !== undefined && isAdminPath(adminPath, path)) return 'bypass';
    try {
      // The gate of a declared app is never evicted.
      const gate =
        typeof app === 'string'
          ? (onlyGate ??= core.gate(app))
          : core.gate(app(req) ?? DEFAULT_APP);
      const { settings } = gate;
      if (path !== undefined && isHealthCheck(settings, req, path)) {
        return settings.answerHealthChecks && !gate.isOpen ? { answeredBy: gate } : 'bypass';
      }
      return isPrivileged(settings, req) ? 'bypass' : gate;
    } catch (error) {
      if (!(error instanceof AntractError)) {
        logger.error(`The \`app\` or \`bypass\` function threw: ${inspect(error)}`);
      }
      return responseToFault(error);
    }
  };
}

/** The app name is invalid, there are too many apps, or the user's function threw. */
function responseToFault(error: unknown): RejectionResponse {
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
