/** Releases all held requests at once, in order. */
import type { Strategy } from './strategy.ts';

export const immediate: Strategy = () => [];
