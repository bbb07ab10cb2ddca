/** The command `antract` with all its sub-commands. */
import { Command } from 'commander';
import { addDemo } from './commands/demo.ts';
import { addDrain } from './commands/drain.ts';
import { addPause } from './commands/pause.ts';
import { addResume } from './commands/resume.ts';
import { addRun } from './commands/run.ts';
import { addServe } from './commands/serve.ts';
import { addStatus } from './commands/status.ts';
import { addStop } from './commands/stop.ts';
import { addWorker } from './commands/worker.ts';

/** @param childCommand the words after `--`, for `antract run`. */
type AddCommand = (program: Command, childCommand: readonly string[]) => void;

/** In the order of `antract --help`. */
const COMMANDS: readonly AddCommand[] = [
  addServe,
  addDemo,
  addRun,
  addPause,
  addResume,
  addStop,
  addDrain,
  addStatus,
  addWorker,
];

export function createProgram(version: string, childCommand: readonly string[]): Command {
  const program = new Command('antract')
    .description(
      'Holds HTTP requests while a backend is down, and releases them in order when it is back.',
    )
    .version(version)
    // Show the usage that each sub-command defines: `run` takes its command after `--`, and Commander
    // does not list that argument.
    .configureHelp({ subcommandTerm: (command) => `${command.name()} ${command.usage()}` })
    .exitOverride()
    .showHelpAfterError('(--help tells more)');
  for (const add of COMMANDS) add(program, childCommand);
  return program;
}
