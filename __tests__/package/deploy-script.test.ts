/** `example/deploy.sh`, against a gateway process. */
import { afterEach, describe, expect } from '@jest/globals';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { killBackends } from '../support/backend.ts';
import { endAll } from '../support/cli.ts';
import { closeAll } from '../support/http.ts';
import { operate, type Operated } from '../support/operated.ts';
import { itWith } from '../support/programs.ts';

const itWithCurl = itWith('curl', 'curl');
const SCRIPT = fileURLToPath(new URL('../../example/deploy.sh', import.meta.url));

afterEach(async () => {
  await endAll();
  await killBackends();
  await closeAll();
});

function deploy(site: Operated, ...command: string[]): Promise<{ code: number; stdout: string }> {
  const env = { PATH: process.env['PATH'], ANTRACT: site.adminUrl, BACKEND: site.backend.url };
  return new Promise((resolve) => {
    execFile('bash', [SCRIPT, ...command], { env }, (error, stdout) =>
      resolve({ code: error ? Number(error.code) : 0, stdout }),
    );
  });
}

describe('the example of a deploy with curl', () => {
  itWithCurl('pauses, runs the command, passes on its code, and resumes', async () => {
    const site = await operate();
    const asked = `curl --silent ${site.adminUrl}/status`;
    const { code, stdout } = await deploy(site, 'bash', '-c', `${asked}; exit 7`);
    expect(code).toBe(7);
    expect(stdout).toMatch(/Reason: deploy[^]*Pause is disabled/);
    expect(await site.until('running', ({ phase }) => phase === 'running')).toMatchObject({
      pauseId: null,
    });
  });

  itWithCurl('leaves the pause of another operator alone', async () => {
    const site = await operate();
    await site.admin('enable?reason=theirs');
    const { code, stdout } = await deploy(site, 'echo', 'ran');
    expect(code).toBe(1);
    expect(stdout).not.toContain('ran\n');
    expect(await site.status()).toMatchObject({ phase: 'paused', reason: 'theirs' });
  });
});
