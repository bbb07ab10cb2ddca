/** Starts the programs that take part, ends them, and reads how much processor time they have used. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** Configurations, logs and sockets of one run. */
export const directory = mkdtempSync(path.join(os.tmpdir(), 'antract-bench-'));

const started = new Set();

/** `spawn()`, with output discarded unless `options` says otherwise. Ended by {@link stop}. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: 'ignore', ...options });
  started.add(child);
  child.once('exit', () => started.delete(child));
  child.once('error', (error) => {
    throw new Error(`${command} could not be started: ${error.message}`);
  });
  return child;
}

/** A script of `processes/`, which sends its first message when it is ready. */
export function startScript(name, args, options) {
  return startModule(new URL(`../processes/${name}.mjs`, import.meta.url), args, options);
}

export async function startModule(url, args = [], { execArgv = [], env = {} } = {}) {
  const script = fileURLToPath(url);
  const child = start(process.execPath, [...execArgv, script, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [ready] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`${script} ${args.join(' ')} ended with ${code} before it was ready.`);
    }),
  ]);
  return { child, ready };
}

export async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
  await exited;
  clearTimeout(timer);
}

export async function stopAll() {
  await Promise.all([...started].map(stop));
  rmSync(directory, { recursive: true, force: true });
}

export function isInstalled(command) {
  return spawnSync('sh', ['-c', 'command -v "$0"', command]).status === 0;
}

/** The first line that a program prints about its version; undefined if it is not installed. */
export function versionOf(command, ...args) {
  if (!isInstalled(command)) return undefined;
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return /\d+(\.\d+)+/.exec(`${stdout}${stderr}`)?.[0];
}

export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export async function waitUntilOpen(port) {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (await isOpen(port)) return;
    await wait(20);
  }
  throw new Error(`Nothing listens on port ${port} after 10 seconds.`);
}

function isOpen(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => socket.destroy(resolve(true))).on('error', () => resolve(false));
  });
}

const TICKS_PER_SECOND = 100;

/**
 * Processor time of a process and all its descendants so far, user and system, in milliseconds. From
 * `/proc` (Linux), where the unit is a hundredth of a second.
 */
export function processorMs(pid) {
  let ticks = ticksOf(pid);
  for (const child of childrenOf(pid)) ticks += (processorMs(child) * TICKS_PER_SECOND) / 1000;
  return (ticks * 1000) / TICKS_PER_SECOND;
}

function ticksOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the name in parentheses, which may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function childrenOf(pid) {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim().split(' ').filter(Boolean),
  );
}

/** Resident memory of a process and its descendants, in MiB. */
export function residentMiB(pid) {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [0, 0];
  return childrenOf(pid).reduce((sum, child) => sum + residentMiB(child), Number(kib) / 1024);
}
