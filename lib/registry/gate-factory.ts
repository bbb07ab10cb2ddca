/**
 * Makes the gate of an app, with its probe and its connection to the other processes.
 */
import type { Clock } from '../common/clock.ts';
import type { BackendObserver } from '../gate/backend.ts';
import type { EmitEvent } from '../gate/events.ts';
import { Gate } from '../gate/gate.ts';
import type { Probe } from '../gate/probe-cycle.ts';
import type { Settings } from '../options/settings.ts';
import { checkOnce, probeUntilHealthy } from '../probe/backend-probe.ts';
import type { Sharing } from '../sharing/sharing.ts';

export interface GateFactoryDeps {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly sharing: Sharing | undefined;
  readonly emit: EmitEvent;
  readonly onBackendChange: (app: string, seenBy: BackendObserver) => void;
  /** Aborted when the registry is closed. */
  readonly closed: AbortSignal;
}

export class GateFactory {
  readonly #deps: GateFactoryDeps;
  /** The apps whose health check was found to be misconfigured, and logged. */
  readonly #misconfigured = new Set<string>();

  constructor(deps: GateFactoryDeps) {
    this.#deps = deps;
  }

  create(app: string): Gate {
    const { settings, clock, sharing, emit, onBackendChange } = this.#deps;
    const gate: Gate = new Gate({
      app,
      settings: settings.apps.get(app) ?? settings,
      clock,
      emit,
      probe: this.#probe(app, () => gate),
      onBackendChange: (seenBy) => onBackendChange(app, seenBy),
      ...(sharing && {
        isInformed: () => sharing.isInformed,
        onChange: () => sharing.onStateChange(gate),
        // Other processes then ask the backend soon too. The report takes 0.5 ms, so it is sent after the first
        // request of a release.
        onAnswer: () => void clock.nextTurn(() => sharing.reportNow()),
        share: () => sharing.others.paceShare(gate),
      }),
    });
    return gate;
  }

  forget(app: string): void {
    this.#misconfigured.delete(app);
  }

  /** Asks the backend of a running app once, so that a wrong path is found before a release needs it. */
  async checkBackend(gate: Gate): Promise<void> {
    const { clock, closed } = this.#deps;
    const { check } = gate.settings.probe;
    if (check?.path === undefined) return;
    const error = await checkOnce(check, clock, closed);
    // The backend of a paused app may be down on purpose, and during a release the probe asks it.
    if (closed.aborted || !gate.releaser.isDone || gate.desiredKind !== 'running') return;
    gate.backend.noteStartCheck(error ?? 'ok', error === undefined);
    this.#warnOfCheck(gate);
  }

  #probe(app: string, gate: () => Gate): Probe | undefined {
    const { settings, clock } = this.#deps;
    const { check, threshold } = (settings.apps.get(app) ?? settings).probe;
    if (!check) return undefined;
    return (signal, seen, onHurry) => {
      const note: typeof seen = (what, isGood) => {
        seen(what, isGood);
        this.#warnOfCheck(gate());
      };
      return probeUntilHealthy({ check, threshold }, clock, signal, note, onHurry);
    };
  }

  /** Logs once until the check succeeds. Of several processes on one store, only the leader logs. */
  #warnOfCheck(gate: Gate): void {
    const { app } = gate;
    const { isCheckWrong } = gate.backend;
    const { settings, sharing } = this.#deps;
    const isNew = isCheckWrong && !this.#misconfigured.has(app);
    if (isCheckWrong) this.#misconfigured.add(app);
    else this.#misconfigured.delete(app);
    if (!isNew || !(sharing?.isLeader ?? true)) return;
    const { summary, next } = gate.status().backend;
    settings.logger.warn(`WRN_ANTRACT_PROBE_PATH: app '${app}': ${summary} ${next}`);
  }
}
