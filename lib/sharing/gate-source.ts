/** The gates that sharing works with. */
import type { Gate } from '../gate/gate.ts';

/** The gates of this process. */
export interface GateSource {
  [Symbol.iterator](): Iterator<Gate>;
  /** Returns undefined for an app without a gate. */
  find(app: string): Gate | undefined;
  /** Makes the gate if necessary. Returns undefined if this process has no such app, or no room for it. */
  getIfAllowed(app: string): Gate | undefined;
}
