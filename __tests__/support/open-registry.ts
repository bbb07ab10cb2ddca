/** A `PauseRegistry` whose core and gates a test can reach. */
import { assembleAntract } from '../../lib/antract.ts';
import type { Antract, AntractOptions, Clock } from '../../lib/index.ts';
import type { Gate } from '../../lib/gate/gate.ts';
import { PauseRegistry } from '../../lib/registry/pause-registry.ts';
import { RegistryCore } from '../../lib/registry/registry-core.ts';

export class OpenRegistry extends PauseRegistry {
  readonly core: RegistryCore;

  constructor(options?: AntractOptions, clock?: Clock) {
    const core = new RegistryCore(options, clock);
    super(core);
    this.core = core;
  }

  gate(app: string): Gate {
    return this.core.gate(app);
  }
}

export type OpenAntract = Antract & { readonly core: RegistryCore };

export function createOpenAntract(options?: AntractOptions, clock?: Clock): OpenAntract {
  const core = new RegistryCore(options, clock);
  return Object.assign(assembleAntract(core), { core });
}
