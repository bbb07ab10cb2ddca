// Writes how many tests passed and failed to a file, for .ci/run: "<passed> <failed>". A test file
// that could not even be loaded counts as one failure.
import { writeFileSync } from 'node:fs';

export default class CountsReporter {
  #file;

  constructor(_globalConfig, { file }) {
    this.#file = file;
  }

  onRunComplete(_contexts, results) {
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    writeFileSync(this.#file, `${results.numPassedTests} ${failed}\n`);
  }
}
