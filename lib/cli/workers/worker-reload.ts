/** Runs in a worker: asks the primary for a reload. */
import type { Worker } from 'node:cluster';
import type { ReloadResult } from '../../admin/access/access-check.ts';
import { AntractError } from '../../common/errors.ts';
import { onPrimaryMessage, sendToPrimary, type ReloadOutcome } from './worker-messages.ts';

/** @returns a function that rejects with an AntractError if the reload failed. */
export function reloadThrough(worker: Worker): () => Promise<ReloadResult> {
  const pending = new Map<number, (outcome: ReloadOutcome) => void>();
  let lastId = 0;
  onPrimaryMessage(worker, (message) => {
    if (message.type === 'reloaded') pending.get(message.id)?.(message.outcome);
  });
  return async () => {
    const id = ++lastId;
    const outcome = await new Promise<ReloadOutcome>((resolve) => {
      pending.set(id, resolve);
      sendToPrimary({ type: 'reload', id });
    });
    pending.delete(id);
    if ('result' in outcome) return outcome.result;
    const { code, message, status } = outcome.error;
    throw new AntractError(code, message, { status });
  };
}
