/** `antract check`: reads the configuration of `serve` and prints what it means, or every mistake in it. */
import type { Command } from 'commander';
import { formatCount } from '../../common/format.js';
import { printable, printableJson } from '../../common/printable.ts';
import { nearest } from '../../common/validate.ts';
import { reasonInWords } from '../../gate/backend-status.ts';
import type { CheckedApp } from '../../gateway/config/check-config.ts';
import { CommandFailure, EXIT_FAILED, EXIT_USAGE } from '../cli-error.ts';
import type { Checked, InvalidValue } from '../config/check-source.ts';
import { optionRows, type OptionRow } from '../config/option-rows.ts';
import { addFlags, readFlags } from '../config/read-flags.ts';

interface CheckFlags {
  readonly probe?: boolean;
  readonly json?: boolean;
}

export function addCheck(program: Command): void {
  const invalid: InvalidValue[] = [];
  const command = program
    .command('check')
    .description('Check the configuration of `antract serve`, which takes the same flags.')
    .option('--probe', 'also probe Redis, and each backend once')
    .option('--json', 'print JSON')
    .usage("[options] [serve's flags]")
    .addHelpText('after', HELP)
    // Unknown flags are mistakes among others.
    .allowUnknownOption()
    .allowExcessArguments();
  addFlags(command, (key, text, expected) => invalid.push({ key, text, expected })).action(
    async (flags: CheckFlags) => {
      // Loaded here, because the parts of `serve` are large.
      const { checkSource } = await import('../config/check-source.ts');
      const checked = await checkSource(readFlags(command), invalid, flags.probe === true);
      await print({ ...checked, mistakes: [...unknownWords(command), ...checked.mistakes] }, flags);
    },
  );
}

const HELP = `
Starts nothing, and changes no store. Prints each option, its value, and where the value was set: a flag, a
variable, the file of --config, or the default. Secrets are hidden.

Exit code: 0 if \`antract serve\` accepts the configuration, 2 if it has mistakes, which are all printed. 1 if
the state file can't be used, or with --probe if Redis or a backend does not answer.`;

async function print(checked: Checked, flags: CheckFlags): Promise<void> {
  const { mistakes, unusable, warnings, source, apps, tokens } = checked;
  if (!flags.json) for (const warning of warnings) console.error(`antract: ${warning}`);
  if (mistakes.length > 0 || source === undefined) {
    const all = [...mistakes, ...unusable];
    const message = `${formatCount(all.length, 'mistake')} in the configuration:${listOf(all)}`;
    throw new CommandFailure(message, EXIT_USAGE, { details: { mistakes: all, warnings } });
  }
  const options = optionRows(source, apps, tokens);
  const backends = flags.probe ? await probeAll(apps) : undefined;
  const down = (backends ?? []).filter(({ answers }) => !answers);
  if (!flags.json) for (const line of linesOf(options, backends)) console.log(line);
  const names = down.map(({ app }) => `'${app}'`).join(', ');
  const problems = [
    ...unusable,
    ...(down.length === 0 ? [] : [`The backend does not answer: ${names}.`]),
  ];
  if (problems.length > 0) {
    const count = formatCount(problems.length, 'check');
    const message = `The options are valid, but ${count} failed:${listOf(problems)}`;
    const details = { options, backends, mistakes: unusable, warnings };
    throw new CommandFailure(message, EXIT_FAILED, { details });
  }
  if (flags.json) console.log(printableJson({ options, backends, warnings }));
}

function listOf(texts: readonly string[]): string {
  return texts.map((text) => `\n  ${text}`).join('');
}

interface ProbedBackend {
  readonly app: string;
  readonly target: string;
  readonly answers: boolean;
  readonly reason: string | null;
}

function probeAll(apps: readonly CheckedApp[]): Promise<ProbedBackend[]> {
  return Promise.all(
    apps.map(async ({ app, target, probe }) => {
      const reason = await probe();
      return { app, target, answers: reason === undefined, reason: reason ?? null };
    }),
  );
}

function linesOf(options: readonly OptionRow[], backends: readonly ProbedBackend[] = []): string[] {
  const cells = options.map(({ option, value, from }) => [option, value ?? 'none', from]);
  const probed = backends.map(({ app, target, reason }) => {
    return `App '${app}': ${target} ${reason === null ? 'answers' : `does not answer: ${reasonInWords(reason)}`}`;
  });
  return [...alignColumns([['OPTION', 'VALUE', 'FROM'], ...cells]), ...probed].map((line) =>
    printable(line),
  );
}

function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  '));
}

/** The words that are no flag of the command. The word after an unknown flag is probably its value. */
function unknownWords({ args, options }: Command): string[] {
  const known = options.map(({ long }) => long as string);
  const flags = args.filter((word) => word.startsWith('-')).map((word) => word.split('=')[0] ?? '');
  if (flags.length === 0) return args.slice(0, 1).map((word) => `Unexpected word \`${word}\`.`);
  return flags.map((flag) => {
    const meant = nearest(flag, known);
    return `Unknown flag \`${flag}\`.${meant === undefined ? '' : ` Did you mean \`${meant}\`?`}`;
  });
}
