/** The release strategies by name. A new strategy is a file in this folder and a line in this table. */
import { fixed } from './fixed.ts';
import { immediate } from './immediate.ts';
import { slowStart } from './slow-start.ts';
import type { PaceLimits, Strategy } from './strategy.ts';

export const STRATEGIES = {
  immediate,
  fixed,
  'slow-start': slowStart,
} as const satisfies Readonly<Record<string, Strategy>>;

/** How held requests are released, see {@link ReleaseOptions.strategy}. */
export type ReleaseStrategy = keyof typeof STRATEGIES;

export const RELEASE_STRATEGIES = Object.keys(STRATEGIES) as readonly ReleaseStrategy[];

export interface ReleaseSettings extends PaceLimits {
  readonly strategy: ReleaseStrategy;
}
