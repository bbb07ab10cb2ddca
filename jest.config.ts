/**
 * Node 20 cannot load TypeScript by itself; newer ones could, but one loader for all is one surprise less.
 *
 * @jest-config-loader esbuild-register
 */
import type { Config } from 'jest';

// .ci/run asks for the counts of the real run, in a file, by this variable.
const countsFile = process.env['ANTRACT_TEST_COUNTS'];

/** One folder of `__tests__/` each. `unit` needs no build, no service and no network. */
const KINDS = ['unit', 'property', 'http', 'gateway', 'cli', 'cluster', 'browser', 'package'];

const config: Config = {
  projects: KINDS.map((kind) => ({
    displayName: kind,
    testEnvironment: 'node',
    testMatch: [`<rootDir>/__tests__/${kind}/**/*.test.ts`],
    modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/__tests__/support/jest-'],
    extensionsToTreatAsEsm: ['.ts'],
    transform: { '\\.ts$': ['@swc/jest', { jsc: { parser: { syntax: 'typescript' } } }] },
  })),
  // One more than the cores that CI has, because most tests wait for other processes.
  maxWorkers: 3,
  testSequencer: '<rootDir>/__tests__/support/slow-first.mjs',
  // Jest reads this one from here only: in a project it is ignored.
  testTimeout: 20_000,
  reporters: countsFile
    ? ['default', ['<rootDir>/.ci/counts-reporter.mjs', { file: countsFile }]]
    : ['default'],
};

export default config;
