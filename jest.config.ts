/**
 * Node 20 cannot load TypeScript by itself; newer ones could, but one loader for all is one surprise less.
 *
 * @jest-config-loader esbuild-register
 */
import type { Config } from 'jest';

// .ci/run asks for the counts of the real run, in a file, by this variable.
const countsFile = process.env['ANTRACT_TEST_COUNTS'];

const config: Config = {
  testEnvironment: 'node',
  testMatch: ['**/__tests__/**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/__tests__/support/jest-'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': ['@swc/jest', { jsc: { parser: { syntax: 'typescript' } } }] },
  maxWorkers: 2,
  testTimeout: 20_000,
  reporters: countsFile
    ? ['default', ['<rootDir>/.ci/counts-reporter.mjs', { file: countsFile }]]
    : ['default'],
};

export default config;
