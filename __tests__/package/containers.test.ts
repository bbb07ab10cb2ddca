/** The Dockerfile and the compose file, which no engine builds here. */
import { describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DCLinter } from 'dclint';
import { validate } from 'dockerfile-utils';

const ROOT = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

describe('the Dockerfile', () => {
  const text = readFileSync(ROOT('Dockerfile'), 'utf8');
  const last = (instruction: string): string =>
    [...text.matchAll(new RegExp(`^(?:HEALTHCHECK .*)?${instruction} (.*)$`, 'gm'))].at(-1)?.[1] ??
    '';

  it('has nothing that a linter reports', () => {
    expect(validate(text)).toEqual([]);
  });

  it('runs antract itself, without a shell that would keep signals from it, and not as root', () => {
    for (const instruction of ['ENTRYPOINT', 'CMD']) {
      expect(JSON.parse(last(instruction))).toEqual(expect.any(Array));
    }
    expect(text).toMatch(/^HEALTHCHECK .*CMD \["antract", "status"\]$/m);
    expect(last('USER')).toBe('node');
  });

  it('copies files that exist', () => {
    const copies = [...text.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files = '']) =>
      files.split(' '),
    );
    expect(copies).toContain('lib');
    expect(copies.filter((file) => !existsSync(ROOT(file)))).toEqual([]);
  });
});

it('the compose file has nothing that a linter reports, and fits the schema of compose files', () => {
  const linter = new DCLinter({ rules: {}, quiet: false, debug: false, exclude: [] });
  const [result, ...others] = linter.lintFiles([ROOT('example/docker/compose.yaml')], false);
  expect(others).toEqual([]);
  expect(result).toMatchObject({ messages: [] });
});
