/** The workflow that publishes the package. */
import { expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../support/packed.ts';

it('a release names the repository in which its workflow runs', async () => {
  const workflow = await readFile(join(ROOT, '.github/workflows/release.yml'), 'utf8');
  const [command = ''] = /npm pkg set (?:.*\\\n)*.*/.exec(workflow) ?? [];
  const folder = await mkdtemp(join(tmpdir(), 'antract-release-'));
  try {
    const file = join(folder, 'package.json');
    await copyFile(join(ROOT, 'package.json'), file);
    const github = { GITHUB_SERVER_URL: 'https://github.test', GITHUB_REPOSITORY: 'owner/antract' };
    const env = { ...process.env, ...github };
    await promisify(execFile)('sh', ['-ec', command], { cwd: folder, env });
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
      ...(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as object),
      repository: { type: 'git', url: 'git+https://github.test/owner/antract.git' },
      bugs: { url: 'https://github.test/owner/antract/issues' },
      homepage: 'https://github.test/owner/antract#readme',
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
