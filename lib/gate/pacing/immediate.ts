/** Releases all held requests at once, in order. */
import type { Strategy } from './pace-rule.ts';

export const immediate: Strategy = () => [];
