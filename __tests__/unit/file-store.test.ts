/** The state file: its format, what survives a restart, and what happens when it can't be read or written. */
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/common/clock.ts';
import type { AntractError } from '../../lib/common/errors.ts';
import { FileStore, type FileStoreOptions } from '../../lib/stores/file-store.ts';
import { storeContract } from '../../lib/stores/contract/suite.ts';
import type { Publication } from '../../lib/stores/store.ts';
import { eventually } from '../support/eventually.ts';

let directory: string;
let path: string;
let messages: string[];
let onMessage: (() => void) | undefined;
const opened = new Set<FileStore>();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'antract-state-'));
  path = join(directory, 'state.json');
  messages = [];
});

afterEach(async () => {
  await Promise.all([...opened].map((store) => store.close()));
  opened.clear();
  onMessage = undefined;
  rmSync(directory, { recursive: true, force: true });
});

const note = (message: string): void => {
  messages.push(message);
  onMessage?.();
};
const logger = { info: note, warn: note, error: note };

function openStore(options: FileStoreOptions = {}, at = path): FileStore {
  const store = new FileStore(at, { logger, ...options });
  opened.add(store);
  return store;
}

/** As SIGKILL does: it neither closes nor writes, and its process id belongs to no process. */
function pretendKilled(): void {
  const content = readFile();
  seal({ ...content, owner: { ...content.owner, startedAt: 'an earlier process' } });
}

interface Content {
  writtenAt: number;
  owner: { startedAt: string | null } | null;
  apps: { app: string }[];
}

function readFile(): Content {
  return JSON.parse(readFileSync(path, 'utf8')) as Content;
}

/** Writes a file with the right checksum. */
function seal(given: object): void {
  const { checksum: _old, ...content } = given as Record<string, unknown>;
  const checksum = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  writeFileSync(path, JSON.stringify({ ...content, checksum }));
}

function publication(value: string, expected = 0, ttlMs = 60_000): Publication {
  return { expected, value, ttlMs, withinMs: 4000 };
}

function refusalOf(at = path): AntractError {
  try {
    openStore({}, at);
  } catch (error) {
    return error as AntractError;
  }
  throw new Error('The file was accepted.');
}

async function message(pattern: RegExp): Promise<string> {
  for (;;) {
    const found = messages.find((one) => pattern.test(one));
    if (found !== undefined) return found;
    await new Promise<void>((resolve) => (onMessage = resolve));
  }
}

storeContract(
  'FileStore',
  async () => {
    const own = mkdtempSync(join(tmpdir(), 'antract-state-'));
    const store = new FileStore(join(own, 'state.json'));
    return {
      stores: [store],
      close: async () => {
        await store.close();
        rmSync(own, { recursive: true });
      },
    };
  },
  { describe, it, lacks: ['links'] },
);

describe('a state file', () => {
  it('keeps states, versions and their times through a restart', async () => {
    const first = openStore();
    const { current } = await first.publish('shop', publication('paused'));
    await first.publish('__proto__', publication('stopped'));
    await first.close();

    const second = openStore();
    const states = await second.load();
    expect([...states.keys()]).toEqual(['shop', '__proto__']);
    expect(states.get('shop')).toMatchObject({
      value: 'paused',
      version: current!.version,
      at: current!.at,
    });
    const next = await second.publish('shop', publication('running', current!.version));
    expect(next.current!.version).toBeGreaterThan(current!.version);
  });

  it('has each answered write on disk, also without close()', async () => {
    const store = openStore();
    let expected = 0;
    for (const value of ['one', 'two', 'three']) {
      const { current } = await store.publish('app', publication(value, expected));
      expected = current!.version;
      expect(readFile().apps).toEqual([expect.objectContaining({ app: 'app', value })]);
    }
  });

  it('has the last of many concurrent writes, and no temporary file is left', async () => {
    const store = openStore();
    const apps = Array.from({ length: 50 }, (_, index) => `app ${index}`);
    await Promise.all(apps.map((app) => store.publish(app, publication(app))));
    expect(readFile().apps.map(({ app }) => app)).toEqual(apps);
    expect(readdirSync(directory)).toEqual(['state.json']);
  });

  it('can be read by its owner only', async () => {
    await openStore().close();
    chmodSync(path, 0o666);
    await openStore().publish('app', publication('value'));
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it.each(['a file', 'no file yet'])(
    'is written where a link to %s leads, and the link stays',
    async (to) => {
      const link = join(directory, 'link.json');
      if (to === 'a file') await openStore().close();
      symlinkSync('state.json', link);
      const store = openStore({}, link);
      await store.publish('app', publication('value'));
      expect(readFile().apps).toHaveLength(1);
      expect(lstatSync(link).isSymbolicLink()).toBe(true);
    },
  );

  it('is found after a process was killed during a write, whose leftovers are removed', async () => {
    await openStore().publish('app', publication('value'));
    pretendKilled();
    writeFileSync(`${path}.c0ffee.tmp`, '{"format":1,"wri');
    writeFileSync(join(directory, 'other.json'), 'stays');
    const store = openStore();
    expect((await store.load()).get('app')?.value).toBe('value');
    await store.publish('other', publication('value'));
    expect(readdirSync(directory).toSorted()).toEqual(['other.json', 'state.json']);
  });

  it('keeps no record that has expired while no process ran', async () => {
    const store = openStore();
    await store.publish('short', publication('value', 0, 1000));
    await store.publish('long', publication('value', 0, 100_000));
    await store.close();
    const later = openStore({ clock: { ...systemClock, date: () => systemClock.date() + 10_000 } });
    expect([...(await later.load()).keys()]).toEqual(['long']);
  });
});

describe('the clock of a FileStore', () => {
  it('does not follow the clock of the machine while the process runs', async () => {
    let jump = 0;
    const clock = { ...systemClock, date: () => systemClock.date() + jump };
    const store = openStore({ clock });
    const { current } = await store.publish('app', publication('value', 0, 60_000));
    jump = 3_600_000;
    const found = (await store.load()).get('app')!;
    expect(found.now - current!.at).toBeLessThan(60_000);
  });

  it('continues after a restart, although the clock of the machine was set before', async () => {
    let jump = 0;
    const clock = { ...systemClock, date: () => systemClock.date() + jump };
    const store = openStore({ clock });
    const { current } = await store.publish('app', publication('value'));
    const before = readFile().writtenAt;
    jump = 3_600_000;
    // antract reads the store regularly. The store then finds the change.
    await store.load();
    await eventually('the new time', () => readFile().writtenAt - before >= jump);
    pretendKilled();
    const next = openStore({ clock });
    const found = (await next.load()).get('app')!;
    expect(found.now - current!.at).toBeLessThan(60_000);
  });

  it('counts no time if the clock of the machine was set back while no process ran', async () => {
    const store = openStore();
    const { current } = await store.publish('app', publication('value'));
    await store.close();
    const clock = { ...systemClock, date: () => systemClock.date() - 3_600_000 };
    const found = (await openStore({ clock }).load()).get('app')!;
    expect(found.now).toBeGreaterThanOrEqual(current!.at);
    expect(found.now - current!.at).toBeLessThan(60_000);
  });

  it('counts the time while no process ran', async () => {
    const store = openStore();
    const { current } = await store.publish('app', publication('value'));
    await store.close();
    const clock = { ...systemClock, date: () => systemClock.date() + 30_000 };
    const found = (await openStore({ clock }).load()).get('app')!;
    expect(found.now - current!.at).toBeGreaterThanOrEqual(30_000);
  });
});

describe('a FileStore refuses to start', () => {
  const damages: Record<string, (text: string) => string | Buffer> = {
    'an empty file': () => '',
    'spaces only': () => ' \n',
    'a text file': () => 'paused\n',
    'random bytes': () => Buffer.from([0, 255, 254, 1, 128, 3]),
    'zeros, as after a power failure': (text) => Buffer.alloc(text.length),
    null: () => 'null',
    'a list': () => '[]',
    'an object of another program': () => '{"name":"antract"}',
    'a changed letter in a value': (text) => text.replace('paused', 'pausfd'),
    'a changed deadline': (text) => text.replace(/"until": \d/, '"until": 9'),
    'no checksum': (text) => text.replace(/,\s*"checksum": "\w+"/, ''),
    'two files in one': (text) => text + text,
  };

  for (const [what, damage] of Object.entries(damages)) {
    it(`with ${what}, and leaves the file as it is`, async () => {
      await openStore().publish('app', publication('paused'));
      const damaged = damage(readFileSync(path, 'utf8'));
      expect(damaged).not.toBe(readFileSync(path, 'utf8'));
      await Promise.all([...opened].map((store) => store.close()));
      writeFileSync(path, damaged);
      const before = readFileSync(path);
      const error = refusalOf();
      expect(error).toMatchObject({ code: 'ERR_ANTRACT_STATE_FILE', status: 500 });
      expect(error.message).toContain(path);
      expect(error.message).toContain('move it away to start with all apps running');
      expect(readFileSync(path)).toEqual(before);
    });
  }

  it('with a file that was cut off anywhere', async () => {
    const store = openStore();
    await store.publish('app', publication('paused'));
    await store.close();
    const whole = readFileSync(path, 'utf8').trimEnd();
    for (let length = 0; length < whole.length; length += 1) {
      writeFileSync(path, whole.slice(0, length));
      expect(refusalOf().code).toBe('ERR_ANTRACT_STATE_FILE');
    }
  });

  it('with valid JSON of the wrong shape', async () => {
    const store = openStore();
    await store.publish('app', publication('paused'));
    await store.close();
    const right = readFile();
    const [app] = right.apps;
    const wrong: Record<string, unknown>[] = [
      { format: '1' },
      { format: 0 },
      { writtenAt: null },
      { now: 'today' },
      { lastVersion: null },
      { owner: 7 },
      { owner: { id: 1, pid: 'x', startedAt: null, namespace: null } },
      { apps: {} },
      { apps: [null] },
      { apps: [{ ...app, value: 7 }] },
      { apps: [{ ...app, version: 1.5 }] },
      { apps: [{ ...app, until: null }] },
      { apps: [{ ...app, app: undefined }] },
    ];
    for (const change of wrong) {
      seal({ ...right, ...change });
      expect(refusalOf().code).toBe('ERR_ANTRACT_STATE_FILE');
    }
    seal(right);
    expect((await openStore().load()).size).toBe(1);
  });

  it('with the file of a newer version, and says so', async () => {
    seal({ format: 2, anything: 'else' });
    expect(refusalOf().message).toMatch(
      /has format 2, and this version of antract reads format 1.*newer version/,
    );
  });

  it('if the directory does not exist', () => {
    const { code, message } = refusalOf(join(directory, 'missing/state.json'));
    expect(code).toBe('ERR_ANTRACT_STATE_FILE');
    expect(message).toMatch(/missing\/state\.json can't be read \(ENOENT.*Create its directory/);
  });

  it('if the path is a directory', () => {
    mkdirSync(path);
    expect(refusalOf().message).toMatch(/is not a regular file/);
  });

  // Not a pipe: the test could not end if the store read it.
  it('if the path is a device, which it does not read', () => {
    expect(refusalOf('/dev/null').message).toMatch(/\/dev\/null is not a regular file/);
  });

  it('if the file is larger than any state file, which it does not read', () => {
    writeFileSync(path, '');
    truncateSync(path, 3 * 1024 ** 3);
    const { code, message } = refusalOf();
    expect(code).toBe('ERR_ANTRACT_STATE_FILE');
    expect(message).toContain(
      `The state file ${path} has 3 GiB, and antract reads at most 64 MiB.`,
    );
    expect(message).toContain('move it away to start with all apps running');
    truncateSync(path, 64 * 1024 ** 2 + 1);
    expect(refusalOf().message).toContain('antract reads at most 64 MiB');
    truncateSync(path, 1024);
    expect(refusalOf().message).toContain('is damaged');
  });

  it('without a path', () => {
    expect(() => new FileStore('')).toThrow(
      expect.objectContaining({ code: 'ERR_ANTRACT_OPTION' }),
    );
  });

  it('while this process uses the file already', async () => {
    const store = openStore();
    await store.publish('app', publication('value'));
    expect(refusalOf().message).toMatch(/in use by this process/);
    await store.close();
    expect((await openStore().load()).size).toBe(1);
  });

  it('while another process uses the file, until that process was killed', async () => {
    await openStore().close();
    const other = spawnSync(process.execPath, ['-e', 'console.log(process.pid)']);
    const content = readFile();
    const { pid } = process;
    const stat = readFileSync(`/proc/${process.ppid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const namespace = readlinkSync('/proc/self/ns/pid');
    const owner = { id: 'other', pid: process.ppid, startedAt: `${boot} ${stat[19]}`, namespace };
    seal({ ...content, owner });
    expect(refusalOf().message).toContain(`in use by process ${process.ppid}`);
    // A process of another container can't be seen.
    seal({ ...content, owner: { ...owner, namespace: 'pid:[1]' } });
    await openStore().close();
    // The id belongs to another process now.
    seal({ ...content, owner: { ...owner, startedAt: `${boot} 1` } });
    await openStore().close();
    seal({ ...content, owner: { ...owner, pid, startedAt: `another boot ${stat[19]}` } });
    await openStore().close();
    seal({ ...content, owner: { ...owner, pid: Number(String(other.stdout)) } });
    await openStore().close();
  });
});

describe('a FileStore that can not write', () => {
  const away = (): string => `${directory}-away`;

  afterEach(() => {
    if (existsSync(away())) renameSync(away(), directory);
  });

  it('carries out a write, warns, and writes the file when it can again', async () => {
    const store = openStore();
    const heard: string[] = [];
    await store.subscribe({ state: (app) => heard.push(app) });
    const first = await store.publish('app', publication('one'));
    expect(first.warning).toBeUndefined();

    renameSync(directory, away());
    const second = await store.publish('app', publication('two', first.current!.version));
    expect(second).toMatchObject({ published: true, current: { value: 'two' } });
    expect(second.warning).toMatch(
      /state\.json could not be written \(ENOENT.*would not survive a restart/,
    );
    expect(heard).toEqual(['app', 'app']);
    expect((await store.load()).get('app')?.value).toBe('two');
    const third = await store.publish('app', publication('three', second.current!.version));
    expect(third.warning).toBeDefined();
    expect(messages).toEqual([expect.stringMatching(/^WRN_ANTRACT_STATE_FILE: .*tries again/)]);

    renameSync(away(), directory);
    await message(/has been written again/);
    expect(readFile().apps).toEqual([expect.objectContaining({ value: 'three' })]);
    expect(readdirSync(directory)).toEqual(['state.json']);
    const fourth = await store.publish('app', publication('four', third.current!.version));
    expect(fourth.warning).toBeUndefined();
  });

  it('warns at its start, too', async () => {
    openStore();
    renameSync(directory, away());
    expect(await message(/WRN_ANTRACT_STATE_FILE/)).toContain(path);
  });

  it('answers a write in time although the disk does not', async () => {
    // No timer of the store is this short.
    const clock = {
      ...systemClock,
      after: (_ms: number, callback: () => void) => systemClock.after(0, callback),
    };
    const store = openStore({ clock });
    const writes = Array.from({ length: 20 }, (_, index) =>
      store.publish(`app ${index}`, publication('x'.repeat(60_000))),
    );
    const results = await Promise.all(writes);
    expect(results.every(({ published }) => published)).toBe(true);
    expect(results.map(({ warning }) => warning)).toContainEqual(
      expect.stringMatching(/could not be written \(no success within 2000 ms\)/),
    );
  });

  it('does not overwrite the file of a process that has taken it over', async () => {
    const store = openStore();
    const { current } = await store.publish('app', publication('mine'));
    const owner = { id: 'another', pid: 7, startedAt: null, namespace: 'pid:[1]' };
    seal({ ...readFile(), owner });
    const theirs = readFileSync(path, 'utf8');
    const result = await store.publish('app', publication('mine again', current!.version));
    expect(result.published).toBe(true);
    expect(result.warning).toMatch(/process 7 has taken it over/);
    expect(messages).toEqual([expect.stringMatching(/End one of the two processes/)]);
    await store.close();
    expect(readFileSync(path, 'utf8')).toBe(theirs);
  });

  it('is not replaced by one that is too large to be read at the next start', async () => {
    const store = openStore();
    await store.publish('a', publication('value'));
    const { warning } = await store.publish('b', publication('\u20ac'.repeat(22 * 1024 ** 2)));
    expect(warning).toMatch(/could not be written \(it would have 66 MiB, .*at most 64 MiB/);
    expect(readFile().apps).toMatchObject([{ app: 'a' }]);
  });

  it('replaces a file that was damaged or removed while it runs', async () => {
    const store = openStore();
    await store.publish('a', publication('value'));
    writeFileSync(path, '{');
    await store.publish('b', publication('value'));
    expect(readFile().apps).toHaveLength(2);
    rmSync(path);
    await store.publish('c', publication('value'));
    expect(readFile().apps).toHaveLength(3);
  });
});

describe('a closed FileStore', () => {
  it('leaves the file to the next process, and rejects writes', async () => {
    const store = openStore();
    await store.publish('app', publication('value'));
    await store.close();
    expect(readFile().owner).toBeNull();
    await expect(store.publish('app', publication('late'))).rejects.toMatchObject({
      code: 'ERR_ANTRACT_CLOSED',
    });
    expect(readFile().apps).toEqual([expect.objectContaining({ value: 'value' })]);
  });
});
