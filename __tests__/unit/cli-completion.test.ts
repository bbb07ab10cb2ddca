/** The completion scripts, in real shells. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import { spawnSync } from 'node:child_process';
import { COMPLETIONS } from '../../lib/cli/completion.ts';
import { FLAGS } from '../../lib/cli/config/flags.ts';
import { createProgram } from '../../lib/cli/program.ts';
import { itWith } from '../support/programs.ts';

let program: Command;

beforeAll(async () => {
  program = await createProgram('0.0.0', 'completion', []);
});

function run(shell: string, script: string): string {
  const { status, stdout, stderr } = spawnSync(shell, ['-c', script], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
}

/** What bash offers for the last word of each line. Fields are separated as bash separates them. */
function completeInBash(...lines: string[]): string[][] {
  const calls = lines.map((line) => {
    const words = line.split(' ').map((word) => `'${word}'`);
    return `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _antract; echo "\${COMPREPLY[@]}"`;
  });
  const output = run('bash', `${COMPLETIONS.bash(program)}\n${calls.join('\n')}`);
  return output
    .trimEnd()
    .split('\n')
    .map((reply) => reply.split(' ').filter(Boolean));
}

describe('completion in bash', () => {
  it('offers commands, flags, choices and files', () => {
    const offers: Record<string, string[]> = {
      'antract re': ['resume', 'report', 'reload'],
      'antract serve --max-': ['--max-time', '--max-queue', '--max-wait'],
      'antract serve --long-lived ': ['wait', 'ignore', 'close'],
      'antract serve --long-lived = cl': ['close'],
      'antract serve --on-store-error =': ['last-known', 'open', 'closed', 'fence'],
      'antract serve --max-time ': [],
      'antract serve --config LICEN': ['LICENSE'],
      'antract serve --spool-directory lib/cli/con': ['lib/cli/config'],
      'antract run --on-f': ['--on-failure'],
      'antract run --max-time 5m -- LICEN': ['LICENSE'],
      'antract completion f': ['fish'],
    };
    expect(completeInBash(...Object.keys(offers))).toEqual(Object.values(offers));
  });

  it('offers every command and every flag of `serve`', () => {
    const [commands, flags] = completeInBash('antract ', 'antract serve -');
    const visible = program.commands.map((command) => command.name()).filter((n) => n !== 'worker');
    expect(commands?.sort()).toEqual([...visible, '--help', '--version'].sort());
    expect(flags?.sort()).toEqual([...FLAGS.map(({ long }) => long), '--help'].sort());
  });
});

const itWithFish = itWith('fish', 'fish');
const itWithZsh = itWith('zsh', 'zsh');

itWithFish('fish offers commands, flags and choices', () => {
  const lines = ['antract rel', 'antract serve --max-q', 'antract serve --long-lived cl'];
  const calls = lines.map((line) => `complete -C '${line}'`).join('\n');
  const output = run('fish', `${COMPLETIONS.fish(program)}\n${calls}`);
  const offered = output.split('\n').map((line) => line.split('\t')[0]);
  expect(offered).toEqual(['reload', '--max-queue', 'close', '']);
});

itWithZsh('zsh accepts its script', () => {
  expect(run('zsh', `compdef() { echo "$@" }\n${COMPLETIONS.zsh(program)}`)).toBe(
    '_antract antract\n',
  );
});
