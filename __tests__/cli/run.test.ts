/** `antract run`: a maintenance window from the command line, against a gateway process. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { killBackends } from '../support/backend.ts';
import { endAll, runCli, runOnTerminal, type CliProcess } from '../support/cli.ts';
import { closeAll, listen } from '../support/http.ts';
import { operate, type Operated } from '../support/operated.ts';

let folder = mkdtempSync(path.join(tmpdir(), 'antract-run-'));
const file = (name: string): string => path.join(folder, name);

afterEach(async () => {
  await endAll();
  killLeftCommand();
  await killBackends();
  await closeAll();
  rmSync(folder, { recursive: true });
  folder = mkdtempSync(path.join(tmpdir(), 'antract-run-'));
});

/** A command that goes on until it is told to end, and leaves its process id in a file. */
const LONG = (): string[] => ['sh', '-c', `echo $$ > ${file('pid')}; echo up; exec sleep 60`];

function commandPid(): number {
  return Number(readFileSync(file('pid'), 'utf8'));
}

/** Outlives its `antract run`, when that was killed. */
function killLeftCommand(): void {
  if (existsSync(file('pid')) && isThere(commandPid())) process.kill(commandPid(), 'SIGKILL');
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const report = (): Record<string, unknown> =>
  JSON.parse(readFileSync(file('report.json'), 'utf8')) as Record<string, unknown>;

describe('antract run', () => {
  it('pauses, drains, runs the command, resumes, and reports', async () => {
    const site = await operate();
    const slow = await site.begin();
    const flags = ['--expect', '1h', '--report', file('report.json')];
    const run = site.antract('run', ...flags, '--', ...waitForFile('go'));
    await site.until('pausing', ({ phase }) => phase === 'pausing');
    const held = await site.hold();
    slow.leave();
    await run.saw('stdout', /^up$/m);
    const during = await site.status();
    expect(during).toMatchObject({ phase: 'paused', reason: 'antract run sh' });
    expect(during.expectedEndInMs).toBeGreaterThan(3_500_000);
    await run.saw('stderr', /drained; running sh\./);
    go();
    expect(await run.exited).toEqual({ code: 0, signal: null });
    expect((await held.answer).status).toBe(200);
    expect(run.stdout).toBe('up\nwent\n');
    expect(run.stderr).toMatch(/antract: 1 held, 1 released, 0 abandoned, 0 rejected; longest/);
    expect(report()).toMatchObject({
      app: 'default',
      command: 'sh',
      outcome: 'done',
      exitCode: 0,
      commandExitCode: 0,
      drainTries: 1,
      held: 1,
      released: 1,
      stragglers: [{ method: 'GET', path: '/hang' }],
      problems: [],
    });
    expect(await site.status()).toMatchObject({ phase: 'running', pauseId: null });
  });

  it('passes all arguments after -- to the command unchanged', async () => {
    const site = await operate();
    const run = site.antract('run', '--', 'printf', '<%s>', '--json', '', 'a b', '--', '-x');
    expect((await run.exited).code).toBe(0);
    expect(run.stdout).toBe('<--json><><a b><--><-x>');
  });

  it('prints only the report to standard output with --json, and passes on no variable about its own sockets', async () => {
    const site = await operate();
    const run = runCli(['run', '--json', '--', 'sh', '-c', 'echo "command, ${LISTEN_FDS-none}"'], {
      ANTRACT_URL: site.adminUrl,
      LISTEN_FDS: '1',
    });
    expect((await run.exited).code).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ outcome: 'done' });
    expect(run.stderr).toContain('command, none');
  });

  it.each([
    [
      'resume',
      'running',
      'Requests to default reach the backend again. ' +
        'Next: `antract pause` holds them, `antract stop` answers 503.',
    ],
    [
      'stop',
      'stopped',
      'default is STOPPED: clients get 503. ' +
        'Next: `antract resume` lets requests through, `antract pause` holds them.',
    ],
    [
      'keep',
      'paused',
      'default is STILL PAUSED: 0 requests held, for another TIME at most. ' +
        'Next: `antract resume` releases them, `antract stop` answers 503.',
    ],
  ])('says once that the command failed, with --on-failure %s', async (what, phase, said) => {
    const site = await operate();
    const flags = ['--lease', '1s', '--on-failure', what];
    const run = site.antract('run', ...flags, '--', 'sh', '-c', 'exit 7');
    expect((await run.exited).code).toBe(7);
    expect(await site.status()).toMatchObject({ phase, leaseEndsInMs: null });
    expect(/was paused for/.test(run.stderr)).toBe(what !== 'keep');
    const line = run.stderr
      .trimEnd()
      .split('\n')
      .at(-1)
      ?.replace(/after [\d.]+ m?s\./, 'after TIME.')
      .replace(/another .* at/, 'another TIME at');
    expect(line).toBe(`antract: sh failed with exit code 7 after TIME. ${said}`);
    expect(run.stderr.match(/fail/g)).toHaveLength(1);
  });

  it('suggests commands for the same app and server after a failure', async () => {
    const site = await operate();
    const url = `${site.adminUrl}?`.slice(0, -1);
    const run = runCli(['run', 'default', '--url', url, '--', 'false']);
    expect((await run.exited).code).toBe(1);
    expect(run.stderr).toContain(`\`antract pause --url ${url}\` holds them`);
  });

  it('reports requests that are still held because the backend is down after a failed command', async () => {
    const site = await operate();
    const limit = ['--probe-timeout', '300ms', '--report', file('report.json')];
    const run = site.antract(
      'run',
      ...limit,
      '--',
      'sh',
      '-c',
      `${waitForFile('go').at(-1)}; exit 7`,
    );
    await run.saw('stdout', /up/);
    await site.backend.kill();
    const { answer } = await site.hold();
    answer.catch(() => undefined);
    go();
    expect((await run.exited).code).toBe(7);
    expect(run.stderr).toMatch(
      /1 request to default is still held: the backend does not answer \(.*\), for another .* at most\. Next: `antract status --watch`/,
    );
    expect(report()).toMatchObject({ outcome: 'command failed', held: 1, stillHeld: 1 });
    expect(report()['longestHoldMs']).toBeGreaterThan(300);
  });

  it.each([0, 7])(
    'reports requests that are held after the pause until the backend answers, for a command that exits with %d',
    async (code) => {
      const site = await operate();
      const flags = ['--report', file('report.json'), '--json'];
      const run = site.antract(
        'run',
        ...flags,
        '--',
        'sh',
        '-c',
        `${waitForFile('go').at(-1)}; exit ${code}`,
      );
      await run.saw('stderr', /up/);
      await site.backend.kill();
      go();
      await site.until('releasing', ({ phase }) => phase === 'releasing');
      const held = [await site.hold('/1'), await site.hold('/2')];
      await site.backend.start();
      for (const { answer } of held) expect((await answer).status).toBe(200);
      expect((await run.exited).code).toBe(code);
      expect(report()).toMatchObject({ held: 2, released: 2, stillHeld: 0 });
      expect(report()['longestHoldMs']).toBeGreaterThan(0);
      expect(JSON.parse(run.stdout)).toMatchObject({ held: 2, exitCode: code });
    },
  );

  it('exits with 128 and the number of the signal that ended the command', async () => {
    const site = await operate();
    const run = site.antract('run', '--', 'sh', '-c', 'kill -SEGV $$');
    expect((await run.exited).code).toBe(139);
  });

  it('rejects a command that does not exist before it pauses', async () => {
    const site = await operate();
    const run = site.antract('run', '--', './no-such-command');
    expect((await run.exited).code).toBe(127);
    expect(await site.admin('report')).toMatchObject({ app: 'default', report: null });
  });

  it.each(['.', 'no-such-folder/report.json'])(
    'rejects --report %s, which can not be written, before it pauses',
    async (where) => {
      const site = await operate();
      const run = site.antract('run', '--report', file(where), '--', 'true');
      expect((await run.exited).code).toBe(2);
      expect(run.stderr).toContain('Could not write the file of --report');
      expect(await site.admin('report')).toMatchObject({ app: 'default', report: null });
    },
  );

  it.each(['max-time', 'drain-timeout', 'lease', 'probe-timeout', 'kill-after'])(
    'rejects a --%s without a unit before it pauses',
    async (name) => {
      const site = await operate();
      const run = site.antract('run', `--${name}`, '30', '--', 'echo', 'ran');
      expect((await run.exited).code).toBe(2);
      expect(run.stderr).toBe(
        `antract: Expected \`--${name}\` to be a duration with a unit, such as '30s' or '5m', got '30'.\n`,
      );
      expect(run.stdout).toBe('');
      expect((await site.admin('report')).report).toBeNull();
    },
  );

  it('says that the command is missing, or stands without --', async () => {
    const site = await operate();
    const none = site.antract('run', 'default');
    expect((await none.exited).code).toBe(2);
    expect(none.stderr).toContain('Expected a command after --');
    expect((await site.antract('run', 'default', './deploy.sh').exited).code).toBe(2);
  });

  it('leaves the pause of another operator alone, and takes it over with --force', async () => {
    const site = await operate();
    await site.admin('enable?reason=mine');
    const run = site.antract('run', '--', 'true');
    expect((await run.exited).code).toBe(1);
    expect(run.stderr).toMatch(
      /is already paused for .*, reason: mine\. Wait .* --force\. true was not run\.\n$/,
    );
    expect(await site.status()).toMatchObject({ phase: 'paused', reason: 'mine' });
    expect((await site.antract('run', '--force', '--', 'true').exited).code).toBe(0);
    expect(await site.status()).toMatchObject({ phase: 'running' });
  });

  it('does not suggest --force when --force was given, for an app paused for writes', async () => {
    const site = await operate();
    await site.admin('enable?only=writes');
    const run = site.antract('run', '--force', '--', 'true');
    expect((await run.exited).code).toBe(1);
    expect(run.stderr).toMatch(/paused already, for writes: end that pause first/);
    expect(run.stderr).not.toContain('--force');
  });

  it('says what to expect and changes nothing with --dry-run', async () => {
    const site = await operate();
    const run = site.antract('run', '--dry-run');
    expect((await run.exited).code).toBe(0);
    expect(run.stdout).toMatch(/^App default is running: [^]*Nothing was changed\.\n$/);
    expect((await site.status()).phase).toBe('running');
  });
});

/** Says `up`, and ends once {@link go} was called. */
function waitForFile(name: string): string[] {
  return ['sh', '-c', `echo up; while [ ! -e ${file(name)} ]; do sleep 0.05; done; echo went`];
}

function go(): void {
  writeFileSync(file('go'), '');
}

describe('`antract run` whose drain takes too long', () => {
  it('exits with 3 without having run the command, and names the requests in flight', async () => {
    const site = await operate();
    await site.begin();
    const limits = ['--drain-timeout', '300ms', '--drain-tries', '2'];
    const run = site.antract('run', ...limits, '--', 'touch', file('ran'));
    await site.until('pausing', ({ phase }) => phase === 'pausing');
    const held = await site.hold();
    expect((await run.exited).code).toBe(3);
    expect((await held.answer).status).toBe(200);
    expect(run.stderr.match(/still in flight: GET \/hang for/g)).toHaveLength(2);
    expect(run.stderr).toMatch(
      /default did not drain within [\d.]+ m?s in any of 2 tries; still in flight: GET \/hang for .*touch was not run\. Requests to default reach the backend again/,
    );
    expect(existsSync(file('ran'))).toBe(false);
    expect((await site.status()).phase).toBe('running');
  });

  it('tries again, and runs the command when the app drains then', async () => {
    const site = await operate();
    const slow = await site.begin();
    const limits = ['--drain-timeout', '400ms', '--drain-tries', '9'];
    const run = site.antract('run', ...limits, '--report', file('report.json'), '--', 'true');
    await run.saw('stderr', /Requests pass again until try 2 of 9/);
    slow.leave();
    expect((await run.exited).code).toBe(0);
    expect(report()['drainTries']).toBeGreaterThan(1);
  });
});

it('`antract run` exits with 4 when requests are still held after --probe-timeout', async () => {
  const site = await operate('--release-per-second', '0.1');
  const limit = ['--probe-timeout', '100ms', '--report', file('report.json')];
  const run = site.antract('run', ...limit, '--', ...waitForFile('go'));
  await run.saw('stdout', /up/);
  const held = [await site.hold('/1'), await site.hold('/2')];
  for (const { answer } of held) answer.catch(() => undefined);
  go();
  expect((await run.exited).code).toBe(4);
  expect(report()).toMatchObject({ outcome: 'probe timed out', commandExitCode: 0 });
});

describe('`antract run` whose pause ends early', () => {
  it('says so in capitals, fails, and leaves the next pause of another operator alone', async () => {
    const site = await operate();
    const run = site.antract('run', '--lease', '1s', '--', ...waitForFile('go'));
    await run.saw('stdout', /up/);
    await site.admin('disable');
    await run.saw('stderr', /THE PAUSE HAS ENDED EARLY: another command resumed the app\./);
    await site.admin('enable?reason=theirs');
    go();
    expect((await run.exited).code).toBe(1);
    expect(await site.status()).toMatchObject({
      phase: 'paused',
      reason: 'theirs',
      leaseEndsInMs: null,
    });
  });

  it('notices it at the latest when it resumes', async () => {
    const site = await operate();
    const run = site.antract('run', '--lease', '60s', '--', ...waitForFile('go'));
    await run.saw('stdout', /up/);
    await site.admin('disable');
    go();
    expect((await run.exited).code).toBe(1);
    expect(run.stderr).toMatch(/THE PAUSE HAS ENDED EARLY[^]*not all of it ran during the pause/);
  });

  it('fails when --max-time ends the pause, though the lease is renewed', async () => {
    const site = await operate();
    const run = site.antract(
      'run',
      '--lease',
      '1s',
      '--max-time',
      '1500ms',
      '--',
      ...waitForFile('go'),
    );
    await run.saw('stdout', /up/);
    await site.hold();
    await run.saw('stderr', /THE PAUSE HAS ENDED EARLY: it reached its maximum duration/);
    go();
    expect((await run.exited).code).toBe(1);
    expect(run.stderr).toMatch(/default was paused for [\d.]+ s, [^]*1 held, 1 released/);
  });

  it('does not run the command when the pause ends during the drain', async () => {
    const site = await operate();
    await site.begin();
    const flags = ['--max-time', '300ms', '--report', file('report.json')];
    const run = site.antract('run', ...flags, '--', 'echo', 'ran');
    expect((await run.exited).code).toBe(1);
    expect(run.stdout).toBe('');
    expect(report()).toMatchObject({ outcome: 'pause lost', commandExitCode: null });
  });

  it('lets the command finish when the gateway was killed', async () => {
    const site = await operate();
    const flags = ['--lease', '3s', '--report', file('report.json')];
    const run = site.antract('run', ...flags, '--', ...waitForFile('go'));
    await run.saw('stdout', /up/);
    site.gateway.signalAll('SIGKILL');
    await site.gateway.exited;
    await run.saw('stderr', /Nothing listens at .* any more: the gateway has ended/);
    go();
    expect((await run.exited).code).toBe(1);
    expect(run.stderr).toContain('sh succeeded, but maybe not all of it ran during the pause.');
    // Not 0: no process is left to report to.
    expect(report()).toMatchObject({ pausedForMs: null, held: null, abandoned: null });
    expect(run.stderr).toContain('The number of held requests is unknown');
  });

  it('fails when it was suspended for longer than its lease', async () => {
    const site = await operate();
    const run = site.antract('run', '--lease', '1s', '--', ...waitForFile('go'));
    await run.saw('stdout', /up/);
    run.signal('SIGSTOP');
    await site.gateway.saw('stderr', /WRN_ANTRACT_EXPIRED.*lease/);
    run.signal('SIGCONT');
    await run.saw('stderr', /THE PAUSE HAS ENDED EARLY: its lease was not renewed in time/);
    go();
    expect((await run.exited).code).toBe(1);
  });
});

describe('`antract run` that gets a signal', () => {
  const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: null, SIGKILL: null } as const;
  type Signal = keyof typeof codes;
  const signals = Object.keys(codes) as Signal[];

  interface Begun {
    run: CliProcess;
    /** Ends the release, which waits for an answer until then. */
    leave?: () => void;
  }

  /** Starts a run and brings it to a phase. */
  const phases: Record<string, (site: Operated, lease: string) => Promise<Begun>> = {
    async draining(site, lease) {
      await site.begin();
      const run = site.antract('run', '--lease', lease, '--', ...LONG());
      await site.until('pausing', ({ phase }) => phase === 'pausing');
      return { run };
    },
    async 'between two tries'(site, lease) {
      await site.begin();
      const run = site.antract('run', '--drain-timeout', '2s', '--lease', lease, '--', 'true');
      await run.saw('stderr', /Requests pass again until try/);
      return { run };
    },
    async 'running the command'(site, lease) {
      const run = site.antract('run', '--lease', lease, '--', ...LONG());
      await run.saw('stdout', /up/);
      return { run };
    },
    async releasing(site, lease) {
      const run = site.antract('run', '--lease', lease, '--', ...waitForFile('go'));
      await run.saw('stdout', /up/);
      // With a concurrency of 1 this is the only request that is released until its client leaves.
      const { leave } = await site.hold('/hang');
      await site.hold();
      go();
      // Until the first one has left the queue, a count of held requests tells nothing.
      await site.until('one of two requests released', ({ phase, held, inFlight }) => {
        return phase === 'releasing' && held === 1 && inFlight === 1;
      });
      return { run, leave };
    },
  };
  const cases = Object.keys(phases).flatMap((phase) => signals.map((signal) => [phase, signal]));

  it.each(cases as [string, Signal][])(
    'while %s, by %s, leaves no request held',
    async (phase, signal) => {
      const site = await operate('--release-concurrency', '1');
      // A lease that has to run out is short, but long enough to be renewed on a busy machine.
      const { run, leave } = await phases[phase]!(site, signal === 'SIGKILL' ? '4s' : '60s');
      const held = phase === 'between two tries' ? undefined : await site.hold('/late');
      run.signal(signal);
      const exit = await run.exited;
      expect(exit).toEqual({ code: codes[signal], signal: codes[signal] === null ? signal : null });
      // At once where it could still act, and else by the lease, which the log then tells.
      if (signal !== 'SIGKILL') expect((await site.status()).pauseId).toBeNull();
      else if (held && phase !== 'releasing')
        await site.gateway.saw('stderr', /WRN_ANTRACT_EXPIRED.*lease/);
      leave?.();
      if (held) expect((await held.answer).status).toBe(200);
      await site.until('running', (status) => status.held === 0 && status.phase === 'running');
      if (phase === 'running the command' && signal !== 'SIGKILL') {
        expect(isThere(commandPid())).toBe(false);
      }
    },
  );

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'while connecting, by %s, does not wait for an answer that does not come',
    async (signal) => {
      let askedFor = (): void => undefined;
      const asked = new Promise<void>((resolve) => (askedFor = resolve));
      const { url } = await listen(() => askedFor());
      const run = runCli(['run', '--url', url, '--', 'true']);
      await asked;
      run.signal(signal);
      const exit = await run.exited;
      expect(exit).toEqual({ code: codes[signal], signal: codes[signal] === null ? signal : null });
      expect(run.stderr).toContain('if it has paused the app, the pause ends within 15 s');
    },
  );

  it('still resumes when several signals come at once, as from a closed terminal', async () => {
    const site = await operate();
    await site.begin();
    const run = site.antract('run', '--lease', '60s', '--', 'true');
    await site.until('pausing', ({ phase }) => phase === 'pausing');
    for (const signal of ['SIGHUP', 'SIGTERM', 'SIGHUP'] as const) run.signal(signal);
    await run.exited;
    expect((await site.status()).phase).toBe('running');
  });

  it('passes SIGTERM to the command, and waits until that has cleaned up', async () => {
    const site = await operate();
    const script = `trap 'echo cleaning up; sleep 0.3; echo clean; exit 5' TERM; echo up; while :; do sleep 0.05; done`;
    const run = site.antract('run', '--', 'sh', '-c', script);
    await run.saw('stdout', /up/);
    run.signal('SIGTERM');
    await run.saw('stdout', /cleaning up/);
    expect((await site.status()).phase).toBe('paused');
    expect((await run.exited).code).toBe(143);
    expect(run.stdout).toBe('up\ncleaning up\nclean\n');
  });

  it.each([
    ['after --kill-after', ['--kill-after', '200ms'], 1],
    ['by a second signal', [], 2],
  ])('kills a command that ignores SIGTERM, %s', async (_how, flags, times) => {
    const site = await operate();
    const script = `trap '' TERM; echo $$ > ${file('pid')}; echo up; while :; do sleep 0.05; done`;
    const run = site.antract('run', ...flags, '--', 'sh', '-c', script);
    await run.saw('stdout', /up/);
    run.signal('SIGTERM');
    await run.saw('stderr', /ending the command/);
    // Those that come within a moment of the first are the same request.
    if (times === 2) {
      while (isThere(commandPid())) {
        run.signal('SIGTERM');
        await site.status();
      }
    }
    expect((await run.exited).code).toBe(143);
    expect(isThere(commandPid())).toBe(false);
    expect((await site.status()).phase).toBe('running');
  });
});

describe('a signal to `antract run` reaches the command once', () => {
  /** Counts signals, ends a while after the first one, and writes how many there were. */
  const COUNT = `
import signal, sys, time
count = 0
def note(*_):
    global count
    count += 1
for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(name, note)
print("up", flush=True)
while count == 0:
    time.sleep(0.01)
end = time.monotonic() + 1.5
while time.monotonic() < end:
    time.sleep(0.01)
open(sys.argv[1], "w").write(str(count))
`;
  const count = (): string[] => ['python3', '-c', COUNT, file('count')];
  const counted = (): number => Number(readFileSync(file('count'), 'utf8'));

  it('when Ctrl-C is pressed', async () => {
    const site = await operate();
    const run = site.onTerminal('run', '--', ...count());
    await run.saw('stdout', /up\r\n/);
    run.type('\u0003');
    expect((await run.exited).code).toBe(130);
    expect(counted()).toBe(1);
  });

  const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

  it.each(
    SIGNALS.flatMap((signal) => [
      ['antract alone gets it', signal, 1] as const,
      ['the whole process group gets it', signal, -1] as const,
    ]),
  )('on a terminal, when %s: %s', async (_what, signal, sign) => {
    const site = await operate();
    const run = site.onTerminal('run', '--', ...count());
    const [, pid] = await run.saw('stderr', /pid (\d+)/);
    await run.saw('stdout', /up\r\n/);
    process.kill(sign * Number(pid), signal);
    await run.exited;
    expect(counted()).toBe(1);
  });

  it.each(
    SIGNALS.flatMap((signal) => [
      ['antract alone gets it', signal, false] as const,
      ['a service manager sends it to every process', signal, true] as const,
    ]),
  )('without a terminal, when %s: %s', async (_what, signal, isEvery) => {
    const site = await operate();
    const run = site.antract('run', '--', ...count());
    await run.saw('stdout', /^up$/m);
    const children = isEvery ? run.children : [];
    for (const pid of [run.pid, ...children]) process.kill(pid, signal);
    await run.exited;
    expect(counted()).toBe(1);
  });

  it('when Ctrl-C is pressed and `cat` is missing, which finds out who gets the signal', async () => {
    const site = await operate();
    // Without `cat`, that is.
    symlinkSync('/usr/bin/python3', file('python3'));
    const run = runOnTerminal(['run', '--', ...count()], {
      ANTRACT_URL: site.adminUrl,
      PATH: folder,
    });
    await run.saw('stdout', /up\r\n/);
    run.type('\u0003');
    await run.exited;
    expect(counted()).toBe(1);
  });
});

describe('`antract run` on a terminal', () => {
  it('shows a live line, and the output of the command above it', async () => {
    const site = await operate();
    const slow = await site.begin();
    const run = site.onTerminal('run', '--', ...waitForFile('go'));
    await run.saw('stdout', /default is pausing: 0 held, 1 in flight[^]*\r\n {2}GET \/hang for /);
    slow.leave();
    await run.saw('stdout', /up\r\n/);
    const held = await site.hold();
    await run.saw(
      'stdout',
      /default is paused: 1 held, 0 in flight, oldest wait .*, ends by itself/,
    );
    go();
    expect((await run.exited).code).toBe(0);
    expect((await held.answer).status).toBe(200);
    // Nothing is left behind: the last block was taken away, and lines wrap again.
    expect(run.stdout.lastIndexOf('\u001b[?7h')).toBeGreaterThan(
      run.stdout.lastIndexOf('\u001b[?7l'),
    );
    expect(run.stdout).toMatch(/done: default was paused for .*\r\n.*1 held, 1 released/);
  });

  it('lets the command prompt in the middle of a line', async () => {
    const site = await operate();
    const run = site.onTerminal('run', '--', 'sh', '-c', 'printf "sure? "; read x; echo "got $x"');
    await run.saw('stdout', /sure\? $/);
    run.type('yes\r');
    await run.saw('stdout', /got yes/);
    expect((await run.exited).code).toBe(0);
  });

  it('does not wait for background processes of the command', async () => {
    const site = await operate();
    const run = site.onTerminal('run', '--', 'sh', '-c', `sleep 60 & echo $! > ${file('pid')}`);
    expect((await run.exited).code).toBe(0);
    expect(isThere(commandPid())).toBe(true);
  });

  it('draws nothing while the command has the terminal with --tty', async () => {
    const site = await operate();
    const script = `printf 'sure? '; echo $$ > ${file('pid')}; read x; echo "got $x"`;
    const run = site.onTerminal('run', '--tty', '--', 'sh', '-c', script);
    await run.saw('stdout', /sure\? $/);
    const asked = run.stdout.length;
    // A live line is drawn twice a second, and counts held requests. Another terminal shows when this one
    // would have drawn it more than once.
    const other = site.onTerminal('status', '--watch');
    const { answer } = await site.hold();
    await other.saw('stdout', /default is paused: 1 held, .*oldest wait [1-9][\d.]* s/);
    expect(run.stdout.slice(asked)).toBe('');
    run.type('yes\r');
    expect((await run.exited).code).toBe(0);
    expect(run.stdout).toContain('got yes');
    expect((await answer).status).toBe(200);
  });

  it('gives the command the terminal itself with --tty', async () => {
    const site = await operate();
    const run = site.onTerminal('run', '--tty', '--', 'sh', '-c', 'test -t 1 && test -t 2');
    expect((await run.exited).code).toBe(0);
  });

  it.each(['draining', 'running'])('resumes when Ctrl-C is pressed while %s', async (phase) => {
    const site = await operate();
    if (phase === 'draining') await site.begin();
    const run = site.onTerminal('run', '--', ...LONG());
    await run.saw('stdout', phase === 'draining' ? /waiting until/ : /up\r\n/);
    await site.until('a pause', ({ pauseId }) => pauseId !== null);
    run.type('\u0003');
    expect((await run.exited).code).toBe(130);
    expect((await site.status()).phase).toBe('running');
  });

  it.each(['draining', 'running'])('resumes when the window is closed while %s', async (phase) => {
    const site = await operate();
    if (phase === 'draining') await site.begin();
    const run = site.onTerminal('run', '--lease', '60s', '--', ...LONG());
    await run.saw('stdout', phase === 'draining' ? /waiting until/ : /up\r\n/);
    await site.until('a pause', ({ pauseId }) => pauseId !== null);
    run.closeTerminal();
    expect((await run.exited).code).toBe(129);
    expect((await site.status()).phase).toBe('running');
    if (phase === 'running') expect(isThere(commandPid())).toBe(false);
  });
});
