#!/usr/bin/env node
/** The executable: reads the arguments, runs the command and ends the process with its exit code. */
import { failureJson, toFailure } from './cli/cli-error.ts';
import { flushOutput } from './cli/flush-output.ts';
import { createCliLogger } from './cli/log.ts';
import { createProgram } from './cli/program.ts';
import { ignoreLostOutput } from './cli/signals.ts';
import { printableLines } from './common/printable.ts';
import { readVersion } from './common/version.ts';

ignoreLostOutput();

// The words after `--` are the command that `antract run` starts.
const separator = process.argv[2] === 'run' ? process.argv.indexOf('--') : -1;
const args = separator < 0 ? process.argv : process.argv.slice(0, separator);
const childCommand = separator < 0 ? [] : process.argv.slice(separator + 1);

try {
  const program = await createProgram(readVersion(), args[2], childCommand);
  await program.parseAsync(args);
} catch (error) {
  const { exitCode, message } = toFailure(error);
  if (message !== undefined) createCliLogger('antract: ').error(printableLines(message));
  if (exitCode !== 0 && args.includes('--json')) console.log(failureJson(error));
  await flushOutput(process.stdout);
  // The failed command may have left a server or a connection open, which would keep the process.
  process.exit(exitCode);
}
