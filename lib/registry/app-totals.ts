/** What was counted of each app since this process started, also by gates that were evicted. */
import { AppCounts } from '../gate/app-counts.ts';
import type { AntractEvents } from '../gate/events.ts';
import type { Gate } from '../gate/gate.ts';
import { AppLabels } from './app-labels.ts';
import type { Gates } from './gates.ts';

export interface AppTotalsDeps {
  readonly gates: Gates;
  readonly isLeader: () => boolean;
}

type Payload = AntractEvents[keyof AntractEvents][0];

export class AppTotals {
  readonly labels: AppLabels;
  readonly #deps: AppTotalsDeps;
  /** The counts of evicted gates, by label. */
  readonly #evicted = new Map<string, AppCounts>();

  constructor(deps: AppTotalsDeps) {
    this.#deps = deps;
    this.labels = new AppLabels((app) => deps.gates.isDeclared(app));
  }

  /** Counts an event. All processes get the events of an app; the leader counts them, so that sums are right. */
  record(event: keyof AntractEvents, payload: Payload): void {
    const { gates, isLeader } = this.#deps;
    const gate = gates.find(payload.app);
    if (!gate) return;
    const { counts, state } = gate;
    switch (event) {
      case 'paused':
        // The label must have few values, so it can't be the operator's text. Deploys use a lease.
        if (isLeader()) counts.pauses[state.leaseEnd < Infinity ? 'lease' : 'asked']++;
        break;
      case 'stopped':
        if (isLeader()) counts.stops++;
        break;
      case 'drained':
        if (isLeader()) counts.drains.observe((payload as DrainedEvent).afterMs / 1000);
        break;
      case 'unreachable':
        counts.pauses.unplanned++;
        break;
      case 'released':
      case 'abandoned':
        counts.holds.observe((payload as EndedHoldEvent).heldMs / 1000);
        if (event === 'abandoned') counts.abandoned++;
        break;
      case 'rejected':
        countRejected(counts, payload as RejectedEvent);
        break;
      default:
    }
  }

  onEvicted({ app, counts }: Gate): void {
    const label = this.labels.of(app);
    const before = this.#evicted.get(label);
    if (before) before.add(counts);
    else this.#evicted.set(label, counts);
  }

  /** Returns the sums of all apps that share a label. */
  byLabel(apps: Iterable<string>): Map<string, AppCounts> {
    const all = new Map<string, AppCounts>();
    const add = (label: string, counts?: AppCounts): void => {
      const sum = all.get(label) ?? new AppCounts();
      if (counts) sum.add(counts);
      all.set(label, sum);
    };
    for (const [label, counts] of this.#evicted) add(label, counts);
    for (const app of apps) add(this.labels.of(app), this.#deps.gates.find(app)?.counts);
    return all;
  }
}

type DrainedEvent = AntractEvents['drained'][0];
type EndedHoldEvent = AntractEvents['released'][0];
type RejectedEvent = AntractEvents['rejected'][0];

function countRejected(counts: AppCounts, { reason, heldMs }: RejectedEvent): void {
  counts.rejected[reason] = (counts.rejected[reason] ?? 0) + 1;
  // 0 means that the request was rejected on arrival and never held.
  if (heldMs > 0) counts.holds.observe(heldMs / 1000);
}
