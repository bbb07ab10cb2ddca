/**
 * Makes completion scripts from the commands. The scripts are static, because a shell would wait for Node at each
 * press of Tab. No library makes such scripts from Commander, or completes file names.
 */
import type { Command, Option } from 'commander';

export type Shell = 'bash' | 'zsh' | 'fish';

export const COMPLETIONS: Readonly<Record<Shell, (program: Command) => string>> = {
  bash,
  zsh,
  fish,
};

interface CompletedOption {
  /** Such as `--max-time`. */
  readonly long: string;
  readonly description: string;
  /** Such as `duration`; undefined if the option takes no value, or may do without one. */
  readonly value: string | undefined;
  readonly choices: readonly string[];
}

interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  /** The values of its argument, if these are few. */
  readonly choices: readonly string[];
  /** Whether a command of the user follows after `--`. */
  readonly hasChild: boolean;
}

function commandsOf(program: Command): CompletedCommand[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .filter((command) => command.name() !== 'help')
    .map((command) => ({
      name: command.name(),
      description: command.description(),
      options: command.createHelp().visibleOptions(command).map(readOption),
      choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
      hasChild: command.usage().includes(' -- '),
    }));
}

function readOption({ flags, long, description, required, argChoices }: Option): CompletedOption {
  const [, value] = /<(.*)>$/.exec(flags) ?? [];
  return {
    long: long ?? '',
    description,
    value: required ? value : undefined,
    choices: argChoices ?? [],
  };
}

// ---- bash -------------------------------------------------------------------------------------

function bash(program: Command): string {
  const commands = commandsOf(program);
  const names = commands.map(({ name }) => name).join(' ');
  return `_antract() {
  local IFS=$'\\n' command=\${COMP_WORDS[1]} i
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  # bash makes three words of --flag=value.
  if [[ $current == '=' ]]; then
    current=
  elif [[ $previous == '=' ]]; then
    previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _antract_words ${names} --help --version
    return
  fi
  for ((i = 2; i < COMP_CWORD; i++)); do
    if [[ \${COMP_WORDS[i]} == -- ]]; then
      _antract_files -f
      if ((i == COMP_CWORD - 1)); then COMPREPLY+=($(compgen -c -- "$current")); fi
      return
    fi
  done
  case "$command $previous" in
${commands.flatMap((command) => command.options.flatMap((option) => bashValue(command, option))).join('\n')}
${commands.map(bashCommand).join('\n')}
  esac
}
_antract_words() { COMPREPLY=($(compgen -W "$*" -- "$current")); }
_antract_files() {
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$current"))
}
complete -F _antract antract`;
}

function bashValue(
  { name }: CompletedCommand,
  { long, value, choices }: CompletedOption,
): string[] {
  if (value === undefined) return [];
  const values = {
    file: '_antract_files -f',
    directory: '_antract_files -d',
  }[value];
  const action = values ?? (choices.length > 0 ? `_antract_words ${choices.join(' ')}` : ':');
  return [`    '${name} ${long}') ${action} ;;`];
}

function bashCommand({ name, options, choices }: CompletedCommand): string {
  const words = [...choices, ...options.map(({ long }) => long)];
  return `    '${name} '*) _antract_words ${words.join(' ')} ;;`;
}

// ---- zsh --------------------------------------------------------------------------------------

function zsh(program: Command): string {
  const commands = commandsOf(program);
  const described = commands.map(({ name, description }) => quote(`${name}:${description}`));
  return `#compdef antract
_antract() {
  local -a commands=(
    ${described.join('\n    ')}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${commands.map(zshCommand).join('\n')}
  esac
}
if [[ $funcstack[1] == _antract ]]; then _antract "$@"; else compdef _antract antract; fi`;
}

function zshCommand({ name, options, choices, hasChild }: CompletedCommand): string {
  const specs = options.map(zshOption);
  if (choices.length > 0) specs.push(quote(`1:value:(${choices.join(' ')})`));
  if (hasChild) specs.push(`'*::command:_normal'`);
  return `    ${name}) _arguments \\\n      ${specs.join(' \\\n      ')} ;;`;
}

function zshOption({ long, description, value, choices }: CompletedOption): string {
  const text = `[${description.replace(/[[\]\\]/g, '\\$&')}]`;
  if (value === undefined) return quote(`${long}${text}`);
  const action = { file: '_files', directory: '_files -/' }[value] ?? `(${choices.join(' ')})`;
  return quote(`${long}=${text}:${value}:${action === '()' ? ' ' : action}`);
}

// ---- fish -------------------------------------------------------------------------------------

function fish(program: Command): string {
  const lines = commandsOf(program).flatMap((command) => {
    const { name, description, options, choices, hasChild } = command;
    const inCommand = `complete -c antract -n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c antract -n __fish_use_subcommand -a ${name} -d ${quote(description)}`,
      ...options.map((option) => `${inCommand} ${fishOption(option)}`),
      ...(choices.length > 0 ? [`${inCommand} -a '${choices.join(' ')}'`] : []),
      ...(hasChild ? [`${inCommand} -F`] : []),
    ];
  });
  return ['complete -c antract -f', ...lines].join('\n');
}

function fishOption({ long, description, value, choices }: CompletedOption): string {
  const flag = `-l ${long.slice(2)} -d ${quote(description)}`;
  if (value === undefined) return flag;
  if (value === 'file') return `${flag} -r -F`;
  if (value === 'directory') return `${flag} -x -a '(__fish_complete_directories)'`;
  return choices.length > 0 ? `${flag} -x -a '${choices.join(' ')}'` : `${flag} -x`;
}

/** In fish a backslash escapes also between quotes, so replace the quote itself. */
function quote(text: string): string {
  return `'${text.replaceAll("'", '’')}'`;
}
