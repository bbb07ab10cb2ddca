/** What `antract serve` makes of the variables of systemd, and what it tells it. */
import { describe, expect, it } from '@jest/globals';
import { takeInheritedSockets } from '../../lib/cli/systemd/inherited-sockets.ts';
import { phasesText } from '../../lib/cli/systemd/phase-reporter.ts';
import { ServiceManager, takeNotifySocket } from '../../lib/cli/systemd/service-manager.ts';
import { until } from '../support/eventually.ts';

function take(env: Record<string, string>): { sockets: unknown; env: object; warnings: string[] } {
  const warnings: string[] = [];
  const sockets = takeInheritedSockets(env, 7, (message) => warnings.push(message));
  return { sockets, env, warnings };
}

describe('inherited sockets', () => {
  it('there are none without LISTEN_FDS, and the variables are deleted', () => {
    const taken = take({ LISTEN_PID: '7', LISTEN_FDNAMES: '', PATH: '/bin' });
    expect(taken).toEqual({ sockets: [], env: { PATH: '/bin' }, warnings: [] });
  });

  it('those of another process are ignored, with a warning', () => {
    const { sockets, warnings } = take({ LISTEN_PID: '8', LISTEN_FDS: '1' });
    expect(sockets).toEqual([]);
    expect(warnings).toEqual([
      expect.stringMatching(/^WRN_ANTRACT_LISTEN_PID: LISTEN_PID is 8, .* 7/),
    ]);
  });

  it.each([
    [{ LISTEN_FDS: '1' }, /^Expected `LISTEN_PID` .* got nothing\.$/],
    [{ LISTEN_FDS: '1', LISTEN_PID: 'me' }, /^Expected `LISTEN_PID` .* got 'me'\.$/],
    [{ LISTEN_FDS: '-1', LISTEN_PID: '7' }, /^Expected `LISTEN_FDS` .* got '-1'\.$/],
    [
      { LISTEN_FDS: '2', LISTEN_PID: '7', LISTEN_FDNAMES: 'a' },
      /^Expected `LISTEN_FDNAMES` .* 2 .* got 'a'\.$/,
    ],
    // No process has so many sockets.
    [{ LISTEN_FDS: '9999', LISTEN_PID: '7' }, /^Expected `LISTEN_FDS` .* descriptor \d+ is not/],
  ])('%j is refused, with the name of the variable', (env, message) => {
    expect(() => take(env)).toThrow(message);
  });
});

describe('the phases of all apps as one line', () => {
  const app = (name: string, phase: 'running' | 'paused', held = 0) => {
    return { app: name, phase, only: null, held };
  };

  it.each([
    ['default: running', [app('default', 'running')]],
    ['2 apps running', [app('a', 'running'), app('b', 'running')]],
    ['default: paused, 12 held', [app('default', 'paused', 12)]],
    ['b: paused, 0 held; 1 running', [app('a', 'running'), app('b', 'paused')]],
    [
      'a0: paused, 0 held; a1: paused, 0 held; a2: paused, 0 held; a3: paused, 0 held; a4: paused, 0 held; 2 more not running',
      Array.from({ length: 7 }, (_, n) => app(`a${n}`, 'paused')),
    ],
  ])('%s', (line, apps) => {
    expect(phasesText(apps)).toBe(line);
  });
});

describe('a service manager that can not be told', () => {
  it('is the subject of one warning', async () => {
    const env = { NOTIFY_SOCKET: '/nowhere/notify' };
    const warnings: string[] = [];
    const socket = takeNotifySocket(env);
    expect(env).toEqual({});
    const manager = new ServiceManager({ socket, warn: (message) => warnings.push(message) });
    manager.onReady();
    await until(() => warnings.length > 0);
    expect(warnings[0]).toMatch(/^WRN_ANTRACT_NOTIFY_SOCKET: .* READY=1: /);
  });
});
