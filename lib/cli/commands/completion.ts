/** `antract completion`: prints a script that completes commands, flags and their values in a shell. */
import { Argument, type Command } from 'commander';
import { COMPLETIONS, type Shell } from '../completion.ts';

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('Print a script with which your shell completes antract commands.')
    .addArgument(new Argument('<shell>', 'your shell').choices(Object.keys(COMPLETIONS)))
    .addHelpText('after', HELP)
    .action((shell: Shell) => console.log(COMPLETIONS[shell](program)));
}

const HELP = `
bash: add this line to ~/.bashrc:    source <(antract completion bash)
zsh:  add this line to ~/.zshrc:     source <(antract completion zsh)
fish: antract completion fish > ~/.config/fish/completions/antract.fish`;
