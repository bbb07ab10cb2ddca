/**
 * Finds the request whose handler waits for a drain. The drain waits for that request too, so it can't end.
 *
 * Node tells which callback is running, and requests remember the callback in which they arrived. This costs
 * nothing, but works only until the first `await` of the handler. AsyncLocalStorage would work after it too,
 * but every request would pay for it: about 1 µs on Node 24, and on Node 22 promises in the whole process
 * become several times slower.
 */
import {
  AsyncResource,
  executionAsyncId,
  executionAsyncResource,
  triggerAsyncId,
} from 'node:async_hooks';
import type { Clock, Timer } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import type { Gate } from '../gate/gate.ts';
import { describe, type RequestLine } from '../common/request.ts';

/** The handler may still end its response without waiting. It has between one and two intervals for that. */
const LOOK_MS = 1000;

/** Returns the request in flight whose handler is running now, if that is known. */
export function callingRequest(gate: Gate | undefined): RequestLine | undefined {
  const ids = [executionAsyncId()];
  // A body parser calls the handler through an AsyncResource that was made in the callback of the request.
  if (executionAsyncResource() instanceof AsyncResource) ids.push(triggerAsyncId());
  return gate?.findByAsyncId(ids.filter((id) => id > 0));
}

export interface OwnRequestWatch {
  /** Aborted with `ERR_ANTRACT_OWN_REQUEST` once the drain waits only for that request. */
  readonly signal: AbortSignal;
  stop(): void;
}

export function watchOwnRequest(gate: Gate, request: RequestLine, clock: Clock): OwnRequestWatch {
  const found = new AbortController();
  let wasAlone = false;
  let timer: Timer | undefined;
  const look = (): void => {
    const isAlone = gate.drain.awaitsOnly(request);
    if (isAlone && wasAlone) return found.abort(ownRequestError(gate.app, request));
    wasAlone = isAlone;
    timer = clock.after(LOOK_MS, look, { ref: true });
  };
  look();
  return { signal: found.signal, stop: () => timer?.cancel() };
}

function ownRequestError(app: string, request: RequestLine): AntractError {
  const { method, path } = describe(request);
  return new AntractError(
    'ERR_ANTRACT_OWN_REQUEST',
    `${method} ${path} waits for the drain of app \`${app}\` and is in flight there itself, so the drain can't end. ` +
      'Answer the request first, or let it bypass the pause: mount its handler ahead of `pause()`, set `adminPath` to where the admin router is, or use `bypass`.',
    { status: 409 },
  );
}
