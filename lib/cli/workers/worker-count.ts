/**
 * How many workers `serve` is to have. Knows no worker.
 */
import { availableParallelism } from 'node:os';
import { expected } from '../../common/validate.ts';

/** More than that no machine has use for; a typing error might. */
const MAX_WORKERS = 256;

/** @throws AntractError. Undefined where there are to be none. */
export function readWorkers(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (value === 'auto') return availableParallelism();
  const count = Number(value);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_WORKERS) return count;
  throw expected('workers', `a number from 1 to ${MAX_WORKERS}, or auto`, value);
}
