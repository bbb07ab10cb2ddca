/** What `antract serve` makes of the machine: users, directories, and what others have put there. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { killBackends, startBackend } from '../support/backend.ts';
import { endAll, serve, type CliOptions } from '../support/cli.ts';
import { closeAll, listen, request } from '../support/http.ts';

const isRoot = process.getuid?.() === 0;
/** For tests that become another user. */
const itAsRoot = isRoot ? it : (it.skip as typeof it);
/** One that has no entry in the system's list of users. */
const STRANGER = 12_345;

const directories: string[] = [];

async function directory(mode = 0o700): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'antract-test-'));
  directories.push(made);
  await chmod(made, mode);
  return made;
}

afterEach(async () => {
  await endAll();
  await killBackends();
  await closeAll();
  for (const made of directories.splice(0)) await rm(made, { recursive: true });
});

/** Holds an upload too large for memory, and returns what its backend says of it. */
async function uploadWhilePaused(
  args: string[],
  env: Record<string, string>,
  options?: CliOptions,
): Promise<{ body: string; stderr: string }> {
  const backend = await listen(async (req, res) => {
    let size = 0;
    for await (const chunk of req as AsyncIterable<Buffer>) size += chunk.length;
    res.end(`${size} bytes`);
  });
  const { cli, url, adminUrl } = await serve(['--target', backend.url, ...args], env, options);
  await request(`${adminUrl}/enable`);
  const answer = request(url, { method: 'POST', body: Buffer.alloc(3_000_000) });
  for (;;) {
    const { body } = await request(`${adminUrl}/status`);
    if (body.startsWith('Pause is enabled, 1 request ')) break;
  }
  await request(`${adminUrl}/disable`);
  return { body: (await answer).body, stderr: cli.stderr };
}

describe('antract serve', () => {
  itAsRoot('runs as a user id without an entry in /etc/passwd, and spools', async () => {
    const TMPDIR = await directory(0o1777);
    const options = { uid: STRANGER, gid: STRANGER, cwd: '/' };
    const { body, stderr } = await uploadWhilePaused([], { TMPDIR }, options);
    expect(body).toBe('3000000 bytes');
    expect(stderr).not.toContain('WRN_ANTRACT_SPOOL');
    expect(await readdir(TMPDIR)).toEqual([`antract-spool-${STRANGER}`]);
  });

  itAsRoot('runs with several workers as a user id without an entry in /etc/passwd', async () => {
    const TMPDIR = await directory(0o1777);
    const backend = await startBackend();
    const { url } = await serve(
      ['--target', backend.url, '--workers', '2'],
      { TMPDIR },
      {
        uid: STRANGER,
        gid: STRANGER,
        cwd: '/',
      },
    );
    expect((await request(url)).status).toBe(200);
  });

  itAsRoot('runs without HOME in a directory that is not writable', async () => {
    const backend = await startBackend();
    const cwd = await directory(0o555);
    const { url } = await serve(
      ['--target', backend.url],
      {},
      {
        uid: STRANGER,
        gid: STRANGER,
        cwd,
      },
    );
    expect((await request(url)).status).toBe(200);
  });
});

describe('the default spool directory', () => {
  const name = `antract-spool-${process.getuid?.() ?? ''}`;

  it('is created with access for its user only', async () => {
    const TMPDIR = await directory();
    const { body, stderr } = await uploadWhilePaused([], { TMPDIR });
    expect(body).toBe('3000000 bytes');
    expect(stderr).not.toContain('WRN_ANTRACT_SPOOL');
    expect(await readdir(TMPDIR)).toEqual([name]);
  });

  it.each<[string, string, (made: string, other: string) => Promise<unknown>, boolean]>([
    ['is a symbolic link', 'it is a symbolic link', (made, other) => symlink(other, made), true],
    ['is a broken link', 'it is a symbolic link', (made) => symlink('/nowhere/x', made), true],
    ['is a file', 'it is not a directory', (made) => writeFile(made, ''), true],
    [
      'can be written by its group',
      'other users can write to it',
      async (made) => {
        await mkdir(made);
        await chmod(made, 0o770);
      },
      true,
    ],
    [
      'can be written by all, sticky or not',
      'other users can write to it',
      async (made) => {
        await mkdir(made);
        await chmod(made, 0o1777);
      },
      true,
    ],
    [
      'belongs to another user',
      `it belongs to user ${STRANGER}, and antract runs as 0`,
      async (made) => {
        await mkdir(made);
        await chown(made, STRANGER, STRANGER);
      },
      isRoot,
    ],
  ])('that %s is not used, which is said at the start', async (_how, why, make, canRun) => {
    if (!canRun) return;
    const TMPDIR = await directory();
    const other = await directory();
    const made = path.join(TMPDIR, name);
    await make(made, other);
    // The files of a process that has ended would be deleted.
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    const left = `${hostname()}!${pid}!${randomUUID()}.spool`;
    await writeFile(path.join(other, left), 'x');
    const { body, stderr } = await uploadWhilePaused([], { TMPDIR });
    expect(body).toBe('3000000 bytes');
    const warnings = stderr.split('\n').filter((line) => line.includes('WRN_ANTRACT_SPOOL'));
    expect(warnings).toEqual([
      expect.stringContaining(
        `WRN_ANTRACT_SPOOL_DIRECTORY: the spool directory ${made} is not used, because ${why}.`,
      ),
    ]);
    expect(await readdir(other)).toEqual([left]);
  });
});

describe('a spool directory given by the user', () => {
  const named = async (mode: number, link = false): Promise<string> => {
    const spool = await directory(mode);
    let shown = spool;
    if (link) {
      shown = path.join(await directory(), 'link');
      await symlink(spool, shown);
    }
    const { body, stderr } = await uploadWhilePaused(['--spool-directory', shown], {});
    expect(body).toBe('3000000 bytes');
    return stderr;
  };

  it('may be a link, shared by a group, or sticky as /tmp is', async () => {
    expect(await named(0o700, true)).not.toContain('WRN_ANTRACT_SPOOL');
    expect(await named(0o770)).not.toContain('WRN_ANTRACT_SPOOL');
    expect(await named(0o1777)).not.toContain('WRN_ANTRACT_SPOOL');
  });

  it('is not used when every user can write to it', async () => {
    expect(await named(0o777)).toMatch(
      /WRN_ANTRACT_SPOOL_DIRECTORY: .* every user can write to it/,
    );
    expect(await named(0o777, true)).toContain('WRN_ANTRACT_SPOOL_DIRECTORY');
  });
});
