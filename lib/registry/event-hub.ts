/**
 * Announces an event: to tracing tools, the pause reports, the totals, the log, and the listeners.
 */
import { EventEmitter } from 'node:events';
import type { AntractEvents, AntractListener, EmitEvent } from '../gate/events.ts';
import type { PauseReports } from '../gate/pause-report.ts';
import type { Logger } from '../options/options.ts';
import type { AppTotals } from './app-totals.ts';
import { publish } from './diagnostics.ts';
import type { TransitionLog } from './transition-log.ts';

export interface EventHubDeps {
  readonly reports: PauseReports;
  readonly totals: Pick<AppTotals, 'record'>;
  readonly transitions: Pick<TransitionLog, 'record'>;
  readonly logger: Logger;
}

export class EventHub extends EventEmitter {
  readonly #deps: EventHubDeps;

  constructor(deps: EventHubDeps) {
    super();
    this.#deps = deps;
  }

  /** If a listener throws, the error is logged: it must not end the request or release of the event. */
  readonly announce: EmitEvent = (event, payload, request) => {
    const { reports, totals, transitions, logger } = this.#deps;
    publish(event, payload, request);
    reports.record(event, payload, request);
    totals.record(event, payload);
    transitions.record(event, payload);
    try {
      this.emit(event, payload);
    } catch (error) {
      logger.error(`A listener of the event '${event}' threw: ${String(error)}`);
    }
  };

  // Typed here: `EventEmitter<AntractEvents>` rejects a misspelled name with an error about `never`, and
  // with other errors in other versions of Node's types.

  override on<K extends keyof AntractEvents>(event: K, listener: AntractListener<K>): this {
    return super.on(event, listener);
  }

  override once<K extends keyof AntractEvents>(event: K, listener: AntractListener<K>): this {
    return super.once(event, listener);
  }

  override off<K extends keyof AntractEvents>(event: K, listener: AntractListener<K>): this {
    return super.off(event, listener);
  }
}
