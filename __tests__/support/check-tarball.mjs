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

/** TypeScript's old resolution, which TypeScript 7 does not have, does not read `exports`. */
const expected = ({ resolutionKind }) => resolutionKind === 'node10';

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
