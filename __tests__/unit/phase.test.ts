import { describe, expect, it } from '@jest/globals';
import { phaseOf } from '../../lib/gate/phase.ts';

describe('the phase of an app', () => {
  it.each([
    ['running', 0, false, false, 'running'],
    ['running', 3, false, false, 'releasing'],
    ['running', 0, true, true, 'releasing'],
    ['paused', 3, false, false, 'pausing'],
    ['paused', 3, true, false, 'paused'],
    ['stopped', 0, false, false, 'stopped'],
  ] as const)(
    'that is %s with %i held requests, drained: %s, awaiting the backend: %s is %s',
    (desired, held, isDrained, isAwaitingBackend, phase) => {
      expect(phaseOf({ desired, held, isDrained, isAwaitingBackend })).toBe(phase);
    },
  );
});
