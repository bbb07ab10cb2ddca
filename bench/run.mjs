/**
 * `npm run bench` measures all parts and writes `RESULTS.md`. `npm run bench -- passthrough` measures one. Needs
 * `dist`, which `npm run build` makes.
 * Options are `name=value`, see the part: `npm run bench -- passthrough rounds=5 seconds=3`.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { bodies } from './parts/bodies.mjs';
import { holding } from './parts/holding.mjs';
import { middleware } from './parts/middleware.mjs';
import { passthrough } from './parts/passthrough.mjs';
import { release } from './parts/release.mjs';
import { restart } from './parts/restart.mjs';
import { stopAll, versionOf } from './support/processes.mjs';

const PARTS = { passthrough, middleware, release, holding, bodies, restart };

const names = process.argv.slice(2).filter((argument) => !argument.includes('='));
const options = Object.fromEntries(
  process.argv.slice(2).flatMap((argument) => {
    const [name, value] = argument.split('=');
    return value === undefined ? [] : [[name, Number.isNaN(Number(value)) ? value : Number(value)]];
  }),
);
for (const name of names) {
  if (!PARTS[name]) {
    console.error(`There is no part ${name}. The parts are ${Object.keys(PARTS).join(', ')}.`);
    process.exit(2);
  }
}

if (!existsSync(new URL('../dist/cli.js', import.meta.url))) {
  console.error('There is no dist/cli.js. Run `npm run build` first.');
  process.exit(2);
}

function machine() {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url)));
  const programs = [
    ['wrk', '--version'],
    ['nginx', '-v'],
    ['caddy', 'version'],
    ['haproxy', '-v'],
  ].flatMap(([command, argument]) => {
    const found = versionOf(command, argument);
    return found ? [`${command} ${found}`] : [];
  });
  const memory = Math.round(os.totalmem() / 2 ** 30);
  return (
    `antract ${version}, Node ${process.versions.node}, ${programs.join(', ')}. ` +
    `${os.cpus().length} cores (${os.cpus()[0].model.trim()}), ${memory} GiB, ${os.type()} ${os.release()}.`
  );
}

const sections = [];
try {
  console.log(machine());
  for (const name of names.length > 0 ? names : Object.keys(PARTS)) {
    console.log(`\n## ${name}\n`);
    const section = await PARTS[name](options);
    console.log(section);
    sections.push(`## ${name}\n\n${section}\n`);
  }
  if (names.length === 0) {
    const file = new URL('RESULTS.md', import.meta.url);
    writeFileSync(file, `# Results\n\n${machine()}\n\n${sections.join('\n')}`);
  }
} finally {
  await stopAll();
}
