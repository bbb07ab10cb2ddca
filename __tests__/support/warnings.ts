/** What Node warns of: told to the real process, of which a test has but a copy. */
import vm from 'node:vm';

/** Collects the warnings of listeners that pile up, until it is stopped. */
export function watchListeners(): { stop(): Promise<string[]> } {
  const real = vm.runInThisContext('process') as NodeJS.Process;
  const found: string[] = [];
  const onWarning = ({ name, message }: Error): void => {
    if (name === 'MaxListenersExceededWarning') found.push(message);
  };
  real.on('warning', onWarning);
  return {
    async stop() {
      // They are told a tick later.
      await new Promise(setImmediate);
      real.off('warning', onWarning);
      return found;
    },
  };
}
