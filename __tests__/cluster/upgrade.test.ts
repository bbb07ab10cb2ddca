/**
 * The previous version serves, its files are replaced as `npm install` does, and a reload starts the new version.
 *
 * `previous.tar.gz` is what `npm pack` made of the previous version, without its types, documentation, and modules
 * for `require()`. Replace it with each release.
 */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { command, statusOf, untilStatus } from '../support/admin-status.ts';
import { endAll, runCli, serveFrom } from '../support/cli.ts';
import { closeAll, listen, request } from '../support/http.ts';
import { ROOT } from '../support/packed.ts';

const PREVIOUS = path.join(ROOT, '__tests__/support/previous.tar.gz');

let folder: string;

beforeEach(() => {
  // In the repository, where the packages that antract depends on are found.
  const cache = path.join(ROOT, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  folder = mkdtempSync(path.join(cache, 'antract-upgrade-'));
});

afterEach(async () => {
  await endAll();
  await closeAll();
  rmSync(folder, { recursive: true });
});

it('the previous version is upgraded by a reload within a pause, and loses no request', async () => {
  const arrived: string[] = [];
  const { url: target } = await listen((req, res) => {
    if (req.url !== '/') arrived.push(req.url as string);
    res.end();
  });
  execFileSync('tar', ['-xzf', PREVIOUS, '-C', folder, '--strip-components=1']);
  const script = path.join(folder, 'dist/cli.js');
  const flags = ['--target', target, '--access-log', 'json', '--release-concurrency', '1'];
  const gateway = await serveFrom(script, flags);
  await command(gateway, 'enable?wait=10s');
  const ends: Promise<number>[] = [];
  const hold = async (name: string): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      ends.push(request(`${gateway.url}/${name}-${i}`).then(({ status }) => status));
      await untilStatus(gateway, 'one more held request', ({ held }) => held === ends.length);
    }
  };
  await hold('previous');

  for (const one of ['dist', 'package.json']) {
    rmSync(path.join(folder, one), { recursive: true });
    cpSync(path.join(ROOT, one), path.join(folder, one), { recursive: true });
  }
  const reload = runCli(['reload', '--url', gateway.adminUrl]);
  expect([(await reload.exited).code, reload.stderr]).toEqual([0, '']);
  await gateway.cli.saw('stderr', /leaving: accepts no more connections/);
  await hold('new');

  const { processes } = await statusOf(gateway);
  expect(processes).toMatchObject([
    { held: 3, leaving: true },
    { held: 3, leaving: false },
  ]);
  await command(gateway, 'disable');
  expect(await Promise.all(ends)).toEqual(ends.map(() => 200));
  const names = ['previous', 'new'].flatMap((name) => [0, 1, 2].map((i) => `/${name}-${i}`));
  expect(arrived).toEqual(names);
  // The primary writes the lines of both versions.
  for (const name of names) await gateway.cli.saw('stdout', new RegExp(`"path":"${name}"`));
});
