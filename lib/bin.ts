#!/usr/bin/env node
/**
 * The command line: reads arguments, and ends the process with a code. All that is done is done by
 * the commands in `cli/`; they and this file are the only ones that may touch `process`.
 */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addDemo } from './cli/commands/demo.ts';
import { explain, failureJson } from './cli/cli-error.ts';
import { FLAGS } from './cli/config/flags.ts';
import { addOperatorCommands } from './cli/commands/operate.ts';
import { addRun } from './cli/commands/run.ts';
import { addServe } from './cli/commands/serve.ts';
import { addStatus } from './cli/commands/show-status.ts';
import { ignoreLostOutput } from './cli/signals.ts';
import { addWorker } from './cli/workers/worker.ts';
import { printableLines } from './common/printable.ts';

ignoreLostOutput();

for (const { env, mayBeEmpty } of FLAGS) {
  if (mayBeEmpty && process.env[env] === '') delete process.env[env];
}

// What stands after `--` is somebody else's command line.
const end = process.argv[2] === 'run' ? process.argv.indexOf('--') : -1;
const own = end < 0 ? process.argv : process.argv.slice(0, end);
const command = end < 0 ? [] : process.argv.slice(end + 1);

const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string };

const program = new Command('antract')
  .description('Holds HTTP requests while a backend is away, and lets them go once it is back.')
  .version(version)
  // As the command's own help has it: `run` takes a command after `--`, which is no argument of ours.
  .configureHelp({ subcommandTerm: (command) => `${command.name()} ${command.usage()}` })
  .exitOverride()
  .showHelpAfterError('(--help tells more)');
addServe(program);
addDemo(program);
addRun(program, command);
addOperatorCommands(program);
addStatus(program);
addWorker(program);

try {
  await program.parseAsync(own);
} catch (error) {
  const { exitCode, message } = explain(error);
  if (message !== undefined) console.error(printableLines(`antract: ${message}`));
  if (exitCode !== 0 && own.includes('--json')) console.log(failureJson(error));
  // Whatever was opened before it went wrong must not keep the process.
  process.exit(exitCode);
}
