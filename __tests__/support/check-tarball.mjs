// Prints, as JSON, what publint and "are the types wrong" find in the tarball given as argument.
import { readFile } from 'node:fs/promises';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const tarball = await readFile(process.argv[2]);

const { messages, pkg } = await publint({
  pack: { tarball: tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.length) },
  strict: true,
});

/** What is true of every package that is ESM only and uses `exports`, and no problem on Node 20.19 and later. */
const expected = ({ kind, resolutionKind }) =>
  // TypeScript's old resolution, which does not read `exports`.
  resolutionKind === 'node10' ||
  // `require()` of ESM works on every Node that is supported; the CommonJS consumers prove it.
  kind === 'CJSResolvesToESM';

const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)));
const problems = analysis.types
  ? analysis.problems.filter((problem) => !expected(problem))
  : ['no types'];

console.log(
  JSON.stringify({
    publint: messages.map((message) => formatMessage(message, pkg, { color: false })),
    types: problems,
    entrypoints: Object.keys(analysis.entrypoints ?? {}),
  }),
);
