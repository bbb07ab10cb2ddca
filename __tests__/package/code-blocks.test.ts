/** Each code block of the documentation: programs compile, and commands have only flags and parameters that exist. */
import { spawnSync } from 'node:child_process';
import { expect, it } from '@jest/globals';
import type { Command } from 'commander';
import ts from 'typescript5';
import { ENDPOINT_PARAMETERS } from '../../lib/admin/params.ts';
import { createProgram } from '../../lib/cli/program.ts';
import { codeBlocks, ROOT } from '../support/pages.ts';

/** What a reader of a page has already: the names that its programs use without declaring them. */
const READER_HAS = `
import type { Express } from 'express';
import type { Antract } from 'antract';
import type { RequestHandler } from 'http-proxy-middleware';
import type { IncomingMessage, ServerResponse } from 'node:http';

declare global {
  var app: Express;
  var shop: Express;
  var antract: Antract;
  var createAntract: typeof import('antract').createAntract;
  var createProxyMiddleware: typeof import('http-proxy-middleware').createProxyMiddleware;
  var proxy: RequestHandler<IncomingMessage, ServerResponse>;
  var target: string;
  var token: string;
  var req: IncomingMessage;
  var res: ServerResponse;
  function migrate(options: { signal: AbortSignal }): Promise<void>;
  class MyStore extends (await import('antract')).MemoryStore {
    constructor(options: { room: string });
  }
  var tracer: { startSpan(name: string): { setAttribute(name: string, value: string): { end(): void } } };
}
`;

/** Packages that recipes use and this repository does not install. In a file without imports. */
const READER_INSTALLS = `
declare module 'http-terminator' {
  export function createHttpTerminator(options: {
    server: import('node:http').Server;
    gracefulTerminationTimeout?: number;
  }): { terminate(): Promise<void> };
}
`;

const OPTIONS: ts.CompilerOptions = {
  allowJs: true,
  checkJs: true,
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2023,
  strictNullChecks: true,
  noEmit: true,
  skipLibCheck: true,
  types: ['node'],
};

/** Compiles files that exist only here, beside the package, so that `antract` is this package. */
function compile(files: ReadonlyMap<string, string>): string[] {
  const host = ts.createCompilerHost(OPTIONS);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path) ?? readFile(path);
  host.getSourceFile = (path, ...rest) => {
    const text = files.get(path);
    return text === undefined
      ? getSourceFile(path, ...rest)
      : ts.createSourceFile(path, text, ts.ScriptTarget.ES2023);
  };
  const program = ts.createProgram([...files.keys()], OPTIONS, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
    return `${file?.fileName}:${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

it('the programs in the documentation compile', () => {
  const blocks = codeBlocks('js', 'ts');
  expect(blocks.length).toBeGreaterThan(15);
  const files = new Map(
    blocks.map(({ where, language, code }) => [
      // Where a reader has the examples that a program imports.
      `${ROOT}example/${where.replace(/\W/g, '-')}.m${language}`,
      `${code}\nexport {};\n`,
    ]),
  );
  files.set(`${ROOT}reader-has.d.mts`, READER_HAS);
  files.set(`${ROOT}reader-installs.d.ts`, READER_INSTALLS);
  expect(compile(files)).toEqual([]);
});

it('the commands in the documentation are valid in bash', () => {
  for (const { where, code } of codeBlocks('sh')) {
    const { stderr } = spawnSync('bash', ['-n'], { input: code, encoding: 'utf8' });
    expect([where, stderr]).toEqual([where, '']);
  }
});

it('the documentation uses only sub-commands and flags of `antract` that exist', async () => {
  const program = await createProgram('0.0.0', undefined, []);
  const wrong: string[] = [];
  let count = 0;
  for (const { where, code } of codeBlocks('sh')) {
    const lines = code.replaceAll('\\\n', ' ').split('\n');
    for (const line of lines) {
      for (const [, words = ''] of line.matchAll(/(?<!npm install |[\w/.-])antract ([a-z].*)/g)) {
        count += 1;
        wrong.push(...mistakes(program, words).map((mistake) => `${where}: ${mistake}`));
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(count).toBeGreaterThan(12);
});

/** @param text what follows `antract`: a sub-command with its arguments. */
function mistakes(program: Command, text: string): string[] {
  const [own = ''] = text.split(/ -- | #|[;|&]/);
  const [name = '', ...words] = own.split(/\s+/);
  const command = program.commands.find((one) => one.name() === name);
  if (!command) return [`antract ${name}`];
  const known = new Set(['--help', ...command.options.map(({ long }) => long)]);
  const flags = words.filter((word) => word.startsWith('--')).map((flag) => flag.split('=')[0]!);
  return flags.filter((flag) => !known.has(flag)).map((flag) => `antract ${name} ${flag}`);
}

it('the documentation uses only admin endpoints and parameters that exist', () => {
  const endpoints: Partial<Record<string, readonly string[]>> = ENDPOINT_PARAMETERS;
  const wrong: string[] = [];
  let count = 0;
  for (const { where, code } of codeBlocks('sh', 'yaml')) {
    const urls = code.matchAll(/(?:_antract|\$ADMIN)\/(\w+)(?:\?([^'"\s]*))?/g);
    for (const [url, endpoint = '', query = ''] of urls) {
      count += 1;
      const names = [...new URLSearchParams(query).keys()];
      const isKnown = names.every((name) => endpoints[endpoint]?.includes(name));
      if (!endpoints[endpoint] || !isKnown) wrong.push(`${where}: ${url}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(count).toBeGreaterThan(8);
});

it('the JSON in the documentation is valid', () => {
  const blocks = codeBlocks('json');
  const wrong = blocks.filter(({ code }) => !isJson(code)).map(({ where }) => where);
  expect(wrong).toEqual([]);
  expect(blocks.length).toBeGreaterThan(3);
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
