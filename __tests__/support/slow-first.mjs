/** Starts the slow kinds of tests first, so that no worker runs one alone at the end. */
import Sequencer from '@jest/test-sequencer';

const SLOW_FIRST = ['cluster', 'cli', 'package', 'browser'];

export default class SlowFirst extends Sequencer {
  sort(tests) {
    const rank = ({ context }) => {
      const index = SLOW_FIRST.indexOf(context.config.displayName.name);
      return index < 0 ? SLOW_FIRST.length : index;
    };
    // Within a kind, the order of Jest: by the duration of the last run, or by size.
    return super.sort(tests).toSorted((a, b) => rank(a) - rank(b));
  }
}
