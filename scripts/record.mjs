/**
 * Makes docs/images/run.svg from a real run: a gateway, a backend that a deploy replaces, and a client. Run
 * `npm run build && node scripts/record.mjs` after a change of what `antract run` prints.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';

const CLI = join(import.meta.dirname, '../dist/cli.js');
const IMAGE = join(import.meta.dirname, '../docs/images/run.svg');

const folder = mkdtempSync(join(tmpdir(), 'antract-record-'));
const backend = await freePort();
const gateway = await freePort();

write(
  'backend.mjs',
  `
import { createServer } from 'node:http';
await new Promise((resolve) => setTimeout(resolve, 1500));
createServer((_req, res) => res.end('ok')).listen(${backend}, '127.0.0.1');
`,
);
write('start.sh', '#!/bin/sh\nnode backend.mjs & echo $! > backend.pid\n');
write(
  'deploy.sh',
  `#!/bin/sh
kill "$(cat backend.pid)"
echo 'migrating 1,204 rows'
sleep 2
echo 'migrated'
./start.sh
`,
);

const lines = [];
const children = [];
const start = Date.now();
try {
  await once(run('sh', ['-c', './start.sh']), 'exit');
  run(process.execPath, [
    CLI,
    'serve',
    '--target',
    `http://127.0.0.1:${backend}`,
    '--port',
    `${gateway}`,
  ]);
  const url = `http://127.0.0.1:${gateway}`;
  await untilAnswers(url);

  const began = Date.now();
  const at = () => Date.now() - began;
  lines.push({ at: 0, text: '$ npx antract run -- ./deploy.sh', kind: 'prompt' });
  await setTimeout(700);
  const command = run(process.execPath, [CLI, 'run', '--', './deploy.sh'], {
    ANTRACT_URL: `${url}/_antract`,
  });
  for (const stream of [command.stdout, command.stderr]) {
    createInterface(stream).on('line', (text) => lines.push({ at: at(), text, kind: 'output' }));
  }
  // A client, as soon as the app is paused.
  await once(command.stderr, 'data');
  const asked = Date.now();
  const client = fetch(url).then((response) => {
    const seconds = ((Date.now() - asked) / 1000).toFixed(1);
    lines.push({
      at: at(),
      text: `a client meanwhile: ${response.status} after ${seconds} s`,
      kind: 'client',
    });
  });
  await Promise.all([once(command, 'exit'), client]);
  mkdirSync(join(IMAGE, '..'), { recursive: true });
  writeFileSync(IMAGE, draw(lines));
  console.log(`${IMAGE}: ${lines.length} lines, ${((Date.now() - start) / 1000).toFixed(0)} s`);
} finally {
  for (const child of children) child.kill();
  process.kill(Number(readFileSync(join(folder, 'backend.pid'), 'utf8')));
  rmSync(folder, { recursive: true, force: true });
}

/** Each line appears when it was printed. */
function draw(all) {
  const wrapped = all.flatMap(({ text, ...rest }) =>
    wrap(text).map((part) => ({ ...rest, text: part })),
  );
  const length = all.at(-1).at + 5000;
  const height = 44 + wrapped.length * 22;
  const colours = { prompt: '#fff', output: '#d8d5cf', client: '#7fd1a0' };
  const texts = wrapped.map(({ at, text, kind }, index) => {
    const from = ((at / length) * 100).toFixed(2);
    const animation = `@keyframes l${index}{0%,${from}%{opacity:0}${(Number(from) + 0.01).toFixed(2)}%,100%{opacity:1}}`;
    const style = `animation:l${index} ${length}ms linear infinite`;
    return `<style>${animation}</style><text x="20" y="${40 + index * 22}" fill="${colours[kind]}" style="${style}">${escape(text)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="860" height="${height}" viewBox="0 0 860 ${height}" role="img" aria-label="${escape(all.map(({ text }) => text).join(' '))}">
<rect width="860" height="${height}" rx="8" fill="#1c1b18"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">
${texts.join('\n')}
</g>
<style>@media (prefers-reduced-motion: reduce) { text { animation: none !important } }</style>
</svg>
`;
}

/** To 98 characters, at spaces. */
function wrap(text) {
  return text.match(/.{1,98}(?:\s|$)/g) ?? [text];
}

function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

function run(command, args, env = {}) {
  const child = spawn(command, args, { cwd: folder, env: { ...process.env, ...env } });
  children.push(child);
  return child;
}

function write(name, text) {
  writeFileSync(join(folder, name), text.trimStart());
  chmodSync(join(folder, name), 0o755);
}

async function untilAnswers(url) {
  for (;;) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return;
    await setTimeout(100);
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
