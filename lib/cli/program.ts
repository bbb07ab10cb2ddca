/** The command `antract` with its sub-commands. */
import { Command } from 'commander';

/** @param childCommand the words after `--`, for `antract run`. */
type AddCommand = (program: Command, childCommand: readonly string[]) => void;

/** In the order of `antract --help`. To load them all takes longer than most commands run. */
const COMMANDS: ReadonlyMap<string | undefined, () => Promise<AddCommand>> = new Map([
  ['serve', async () => (await import('./commands/serve.ts')).addServe],
  ['check', async () => (await import('./commands/check.ts')).addCheck],
  ['demo', async () => (await import('./commands/demo.ts')).addDemo],
  ['run', async () => (await import('./commands/run.ts')).addRun],
  ['pause', async () => (await import('./commands/pause.ts')).addPause],
  ['resume', async () => (await import('./commands/resume.ts')).addResume],
  ['stop', async () => (await import('./commands/stop.ts')).addStop],
  ['drain', async () => (await import('./commands/drain.ts')).addDrain],
  ['status', async () => (await import('./commands/status.ts')).addStatus],
  ['report', async () => (await import('./commands/report.ts')).addReport],
  ['traffic', async () => (await import('./commands/traffic.ts')).addTraffic],
  ['events', async () => (await import('./commands/events.ts')).addEvents],
  ['reload', async () => (await import('./commands/reload.ts')).addReload],
  ['schema', async () => (await import('./commands/schema.ts')).addSchema],
  ['completion', async () => (await import('./commands/completion.ts')).addCompletion],
  ['worker', async () => (await import('./commands/worker.ts')).addWorker],
]);

/** @param name the first argument. If it names a command, other commands are loaded only for `completion`. */
export async function createProgram(
  version: string,
  name: string | undefined,
  childCommand: readonly string[],
): Promise<Command> {
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
  // It needs all commands.
  const named = name === 'completion' ? undefined : COMMANDS.get(name);
  for (const load of named ? [named] : COMMANDS.values()) (await load())(program, childCommand);
  return program;
}
