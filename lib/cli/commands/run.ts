/** `antract run`: pauses and drains an app, runs a command, resumes, and prints a report. */
import { accessSync, constants, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Option, type Command } from 'commander';
import { systemClock } from '../../common/clock.ts';
import { DEFAULT_APP } from '../../options/app-name.ts';
import { durationWithUnit, integer } from '../../common/validate.ts';
import {
  addClientOptions,
  createClient,
  createExpect,
  createIgnoreLost,
  lostParameter,
  ONLY,
  type ClientOptions,
  type IgnoreLost,
} from '../client/client-options.ts';
import { checkCommand } from '../window/child.ts';
import { dryRun } from '../window/dry-run.ts';
import { UsageError } from '../cli-error.ts';
import { describeFailure } from '../window/run-failure.ts';
import { printable, printableJson } from '../../common/printable.ts';
import { createRunReport, reportLines, type RunReport } from '../window/run-report.ts';
import { Terminal } from '../terminal.ts';
import { endByHangup, watchInterruption } from '../signals.ts';
import { exitAtOnce, type RunContext, type RunOptions } from '../window/run-context.ts';
import { runWindow } from '../window/window.ts';

interface RunFlags extends ClientOptions, IgnoreLost {
  readonly drainTimeout: string;
  readonly drainTries: string;
  readonly lease: string;
  readonly maxTime?: string;
  readonly expect?: string;
  readonly only?: string;
  readonly reason?: string;
  readonly onFailure: RunOptions['onFailure'];
  readonly probeTimeout: string;
  readonly killAfter: string;
  readonly force?: boolean;
  readonly tty?: boolean;
  readonly report?: string;
  readonly dryRun?: boolean;
}

const MIN_LEASE_MS = 1000;

/** @param command the words after `--`. */
export function addRun(program: Command, command: readonly string[]): void {
  addClientOptions(program.command('run'))
    .description('Pause, drain, run a command, resume, and report.')
    .usage('[options] [app] -- command...')
    .argument('[app]', 'name of the app', DEFAULT_APP)
    .option('--drain-timeout <duration>', 'how long a drain may take', '30s')
    .option(
      '--drain-tries <number>',
      'how many drains to try; held requests are released in between',
      '3',
    )
    .addOption(createIgnoreLost())
    .option('--lease <duration>', 'how soon the pause ends if this process is killed', '15s')
    .addOption(ONLY)
    .option('--max-time <duration>', "longest pause (default: the app's)")
    .addOption(createExpect('pause'))
    .option('--reason <text>', 'reason in the status')
    .addOption(
      new Option('--on-failure <what>', 'what happens to the app when the command fails')
        .choices(['resume', 'stop', 'keep'])
        .default('resume'),
    )
    .option(
      '--probe-timeout <duration>',
      'longest wait until no request is held and the backend answers',
      '60s',
    )
    .option('--kill-after <duration>', 'how long the command may take to end after a signal', '10s')
    .option('--force', 'take over an existing pause or stop')
    .option('--tty', 'give the command the terminal itself, without a status line')
    .option('--report <file>', 'write the report as JSON to this file')
    .option('--dry-run', 'change nothing; estimate what a pause would do')
    .addHelpText('after', HELP)
    .action((app: string, flags: RunFlags) => run(app, command, flags));
}

const HELP = `
Exit code: the command's own, or 0 done, 1 failed (server not reached, command refused, pause or store
lost), 2 wrong usage, 3 not drained (the command was not run), 4 requests are still held or the backend
does not answer, 126 or 127 the command can't be run, 128 + n ended by signal n.`;

async function run(app: string, command: readonly string[], flags: RunFlags): Promise<void> {
  const client = createClient(flags);
  const durations = readDurations(flags);
  if (flags.dryRun) {
    const { drainTimeout } = durations;
    return dryRun(client, { app, drainTimeout, json: flags.json === true });
  }
  const options = readRunFlags(app, command, flags, durations);
  const context = createContext(options, client);
  try {
    await runWindow(context);
  } catch (error) {
    const failure = await describeFailure(context, error);
    context.report.problems = [failure.message];
    finish(context, flags, failure.exitCode);
    endByHangup(context.interruption);
    throw failure;
  }
  finish(context, flags, 0);
  for (const problem of context.report.problems) context.print(printable(problem));
  if (flags.json) console.log(printableJson(context.report));
}

type Durations = ReturnType<typeof readDurations>;

function readDurations(flags: RunFlags) {
  const { maxTime, expect } = flags;
  if (maxTime !== undefined) durationWithUnit({ min: 1 })('--max-time', maxTime);
  if (expect !== undefined) durationWithUnit()('--expect', expect);
  return {
    drainTimeout: durationWithUnit()('--drain-timeout', flags.drainTimeout),
    lease: durationWithUnit({ min: MIN_LEASE_MS })('--lease', flags.lease),
    maxTime,
    expect,
    probeTimeout: durationWithUnit()('--probe-timeout', flags.probeTimeout),
    killAfter: durationWithUnit()('--kill-after', flags.killAfter),
  };
}

function readRunFlags(
  app: string,
  command: readonly string[],
  flags: RunFlags,
  durations: Durations,
): RunOptions {
  const [file] = command;
  if (file === undefined) {
    throw new UsageError('Expected a command after --, such as `antract run -- ./deploy.sh`.');
  }
  const options = {
    app,
    command,
    ...durations,
    drainTries: integer({ min: 1 })('--drain-tries', Number(flags.drainTries)),
    lost: lostParameter(flags),
    only: flags.only,
    reason: flags.reason ?? `antract run ${path.basename(file)}`,
    onFailure: flags.onFailure,
    force: flags.force === true,
    tty: flags.tty === true,
    json: flags.json === true,
    clientFlags: [
      ...(flags.url === undefined ? [] : ['--url', flags.url]),
      ...(flags.tokenFile === undefined ? [] : ['--token-file', flags.tokenFile]),
    ],
  };
  checkCommand(file);
  if (flags.report !== undefined) checkReportFile(flags.report);
  return options;
}

function checkReportFile(file: string): void {
  try {
    const existing = statSync(file, { throwIfNoEntry: false });
    if (existing?.isDirectory()) throw new Error(`${file} is a directory`);
    accessSync(existing ? file : path.dirname(path.resolve(file)), constants.W_OK);
  } catch (error) {
    throw new UsageError(`Could not write the file of --report: ${(error as Error).message}`);
  }
}

function createContext(options: RunOptions, client: RunContext['client']): RunContext {
  const terminal = new Terminal(process.stderr, process.env);
  const context: RunContext = {
    options,
    client,
    terminal,
    clock: systemClock,
    interruption: watchInterruption(),
    isDurable: false,
    report: createRunReport(options.app, path.basename(options.command[0] as string), systemClock),
    print: (line) => terminal.printLine(`antract: ${line}`),
  };
  context.interruption.onRepeat = () => exitAtOnce(context);
  return context;
}

function finish({ report, terminal, print }: RunContext, flags: RunFlags, exitCode: number): void {
  report.exitCode = exitCode;
  terminal.clear();
  if (report.drainTries > 0) for (const line of reportLines(report)) print(printable(line));
  if (flags.report !== undefined) writeReport(flags.report, report, print);
}

/** A failure is only printed, because the command has run. */
function writeReport(file: string, report: RunReport, print: RunContext['print']): void {
  try {
    writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
  } catch (error) {
    print(`could not write the report: ${(error as Error).message}`);
  }
}
