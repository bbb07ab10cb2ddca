/**
 * Decides whether an app has drained in all processes: for callers that wait, and to announce it once.
 */
import type { Clock } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import type { RequestLine } from '../common/request.ts';
import type { WaitLimits } from '../common/wait.ts';
import type { DrainOutcome } from '../gate/drain.ts';
import type { DrainedEvent, EmitEvent } from '../gate/events.ts';
import type { Gate } from '../gate/gate.ts';
import type { DrainResult } from '../gate/status.ts';
import type { Sharing } from '../sharing/sharing.ts';
import { readDrain, type DrainOptions } from './command-options.ts';
import type { Gates } from './gates.ts';
import { callingRequest, watchOwnRequest } from './own-request.ts';
import { waitForGate } from './wait-for-gate.ts';

export interface DrainsDeps {
  readonly clock: Clock;
  readonly gates: Gates;
  readonly sharing: Sharing | undefined;
  readonly announce: EmitEvent;
}

type Outcome = DrainOutcome | 'lost';

export class Drains {
  readonly #deps: DrainsDeps;
  /** Apps that have drained in this process and are not announced yet. */
  readonly #unannounced = new Set<string>();

  constructor(deps: DrainsDeps) {
    this.#deps = deps;
    deps.sharing?.others.watch(() => this.#announceDrained());
  }

  /** Returns the request in flight whose handler is running now, see `own-request.ts`. */
  callingRequest(app: string): RequestLine | undefined {
    return callingRequest(this.#deps.gates.find(app));
  }

  /**
   * Waits until an app has drained in all processes.
   *
   * @param caller the request whose handler waits for the drain, if any.
   * @throws AntractError as {@link PauseRegistry.waitForDrain}.
   */
  async waitFor(
    caller: RequestLine | undefined,
    app: string,
    options: DrainOptions,
  ): Promise<DrainResult> {
    const { clock, gates, sharing } = this.#deps;
    const { ignoresLost, ...limits } = readDrain(options);
    gates.check('waitForDrain', app);
    const gate = gates.find(app);
    if (!gate || gate.desiredKind === 'running') throw notPaused(app);
    const start = clock.now();
    const own = caller && watchOwnRequest(gate, caller, clock);
    const signals = [limits.signal, own?.signal].filter((signal) => signal !== undefined);
    const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
    try {
      const outcome = await this.#wait(gate, { ...limits, signal }, ignoresLost);
      const waitedMs = Math.round(clock.now() - start);
      const { stragglers = [] } = sharing?.status(gate) ?? gate.status();
      if (!sharing) return { outcome, waitedMs, stragglers };
      const { others, isStoreLost } = sharing;
      const store = isStoreLost ? 'lost' : 'connected';
      return { outcome, waitedMs, stragglers, missing: others.missing(gate), store };
    } finally {
      own?.stop();
    }
  }

  /** An app has drained in this process. It is announced once it has drained in all of them. */
  onDrainedHere(event: DrainedEvent): void {
    const { sharing, announce } = this.#deps;
    if (!sharing) return announce('drained', event);
    // The other processes wait for this report.
    sharing.reportNow();
    void sharing.others.refresh().then(() => {
      this.#unannounced.add(event.app);
      this.#announceDrained();
    });
  }

  #announceDrained(): void {
    for (const app of this.#unannounced) {
      const gate = this.#deps.gates.find(app);
      const isDrainedHere = gate && gate.desiredKind !== 'running' && gate.drain.isDrained;
      if (isDrainedHere && !this.#isDrainedElsewhere(gate)) continue;
      this.#unannounced.delete(app);
      // Otherwise the app was resumed or passed another request. It may drain again.
      if (isDrainedHere) this.#announce(gate);
    }
  }

  #announce({ app, state }: Gate): void {
    const afterMs = Math.round(this.#deps.clock.now() - state.since);
    this.#deps.announce('drained', { app, afterMs });
  }

  #isDrainedElsewhere(gate: Gate): boolean {
    const others = this.#deps.sharing?.others;
    return !others || (others.haveDrained(gate.app) && others.missing(gate).length === 0);
  }

  /**
   * The outcome is `lost` once only processes are left that can't be asked.
   *
   * @param ignoresLost whether these processes are known to have ended.
   */
  async #wait(gate: Gate, limits: WaitLimits, ignoresLost: boolean): Promise<Outcome | 'timeout'> {
    const { clock, sharing } = this.#deps;
    const look = (): Outcome | undefined => this.#look(gate, ignoresLost);
    if (sharing) await sharing.others.refresh();
    // The app may have been resumed in the meantime.
    const known = gate.desiredKind === 'running' ? 'resumed' : look();
    const outcome = await waitForGate<Outcome>(clock, sharing?.others, limits, known, {
      goal: 'drained',
      look,
      watchOwn: (callback) => gate.drain.watch(callback),
    });
    if (outcome === 'drained' && ignoresLost) sharing?.others.dismissMissing(gate);
    return outcome;
  }

  #look(gate: Gate, ignoresLost: boolean): 'drained' | 'lost' | undefined {
    const { sharing } = this.#deps;
    if (!gate.drain.isDrained) return undefined;
    if (!sharing) return 'drained';
    if (sharing.isStoreLost && !ignoresLost) return 'lost';
    if (!sharing.others.haveDrained(gate.app, ignoresLost)) return undefined;
    return ignoresLost || sharing.others.missing(gate).length === 0 ? 'drained' : 'lost';
  }
}

function notPaused(app: string): AntractError {
  return new AntractError(
    'ERR_ANTRACT_NOT_PAUSED',
    `Expected app \`${app}\` to be paused or stopped: a running app never drains, because new requests follow. First pause it (\`antract pause\`, or the endpoint \`/enable\`) or stop it.`,
    { status: 409 },
  );
}
