/**
 * Makes the man pages from the commands, for the build. No library does that for Commander: help2man and marked-man
 * read text, and see no sub-command.
 */
import type { Command, Option } from 'commander';

/** Pages by file name, such as `antract-serve.1`. */
export function createManPages(program: Command): Map<string, string> {
  const commands = program
    .createHelp()
    .visibleCommands(program)
    .filter((command) => command.name() !== 'help');
  const version = `antract ${program.version() ?? ''}`;
  const names = ['antract', ...commands.map((command) => `antract-${command.name()}`)];
  return new Map(
    [program, ...commands].map((command, i) => {
      const name = names[i] as string;
      const others = names.filter((other) => other !== name);
      return [`${name}.1`, pageOf(command, { name, version, others })];
    }),
  );
}

interface Page {
  readonly name: string;
  readonly version: string;
  /** The names of the other pages. */
  readonly others: readonly string[];
}

function pageOf(command: Command, { name, version, others }: Page): string {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const after = helpAfter(command);
  const lines = [
    `.TH "${roff(name.toUpperCase())}" "1" "" "${roff(version)}" "User Commands"`,
    '.SH NAME',
    `${roff(name)} \\- ${roff(command.description())}`,
    '.SH SYNOPSIS',
    `\\fB${roff(name.replace('-', ' '))}\\fR ${roff(command.usage())}`,
    '.SH DESCRIPTION',
    roff(command.description()),
    ...(commands.length > 0 ? ['.SH COMMANDS'] : []),
    ...commands.flatMap((one) => [
      '.TP',
      `\\fB${roff(one.name())}\\fR ${roff(one.usage())}`,
      roff(one.description()),
    ]),
    ...(command.registeredArguments.length > 0 ? ['.SH ARGUMENTS'] : []),
    ...command.registeredArguments.flatMap((argument) => [
      '.TP',
      `\\fI${roff(argument.name())}\\fR`,
      roff(help.argumentDescription(argument)),
    ]),
    '.SH OPTIONS',
    ...help
      .visibleOptions(command)
      .flatMap((option) => ['.TP', flagsOf(option), roff(help.optionDescription(option))]),
    // Its lines are laid out already.
    ...(after === '' ? [] : ['.SH NOTES', '.nf', ...after.split('\n').map(roff), '.fi']),
    '.SH SEE ALSO',
    others.map((other) => `\\fB${roff(other)}\\fR(1)`).join(', '),
  ];
  return `${lines.join('\n')}\n`;
}

/** The flags in bold, and the value in italics. */
function flagsOf({ flags }: Option): string {
  const [, names = '', value = ''] = /^([^<[]*)(.*)$/.exec(flags) ?? [];
  return `\\fB${roff(names.trimEnd())}\\fR${value === '' ? '' : ` \\fI${roff(value)}\\fR`}`;
}

/** The text that a command adds to its help. Commander has no other way to read it. */
function helpAfter(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text.replace(command.helpInformation(), '').trim();
}

/** A line must not start as a macro does, and `-` alone would become a hyphen, which can't be copied. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replace(/^[.']/, '\\&$&')
    .replace(/[^\n\x20-\x7e]/gu, (letter) => `\\[u${hex(letter)}]`);
}

function hex(letter: string): string {
  return (letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
}
