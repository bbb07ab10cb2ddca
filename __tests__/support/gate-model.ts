/**
 * A model of the gate for property tests: lists instead of queues, no sockets, no promises, time as a
 * number. It shares no code with `lib/`.
 */

export interface ModelSettings {
  maxQueue: number;
  maxWait: number;
  maxTime: number;
  onMaxWait: 'reject' | 'release';
  concurrency: number;
}

export interface ModelCounts {
  phase: 'running' | 'pausing' | 'paused' | 'releasing' | 'stopped';
  held: number;
  inFlight: number;
}

export class GateModel {
  readonly #settings: ModelSettings;
  #now = 0;
  #intent: 'running' | 'paused' | 'stopped' = 'running';
  #until = Infinity;
  #held: { id: number; since: number }[] = [];
  /** Let out of the queue and not answered. */
  #unanswered: number[] = [];
  readonly inFlight = new Set<number>();
  /** In the order in which the backend is to see them. */
  readonly passed: number[] = [];
  readonly rejected: number[] = [];
  readonly abandoned: number[] = [];

  constructor(settings: ModelSettings) {
    this.#settings = settings;
  }

  get counts(): ModelCounts {
    const [held, inFlight] = [this.#held.length, this.inFlight.size];
    if (this.#intent === 'stopped') return { phase: 'stopped', held, inFlight };
    if (this.#intent === 'paused')
      return { phase: inFlight ? 'pausing' : 'paused', held, inFlight };
    return { phase: held ? 'releasing' : 'running', held, inFlight };
  }

  enable(): void {
    if (this.#intent === 'paused') return;
    this.#intent = 'paused';
    this.#until = this.#now + this.#settings.maxTime;
  }

  disable(): void {
    this.#intent = 'running';
    this.#pump();
  }

  stop(): void {
    this.#intent = 'stopped';
    this.#reject(this.#held.length);
  }

  arrive(id: number): void {
    if (this.#intent === 'running' && this.#held.length === 0) this.#pass(id);
    else if (this.#intent === 'stopped') this.rejected.push(id);
    else if (this.#held.length >= this.#settings.maxQueue) this.rejected.push(id);
    else this.#held.push({ id, since: this.#now });
  }

  /** The client leaves, or has its answer. */
  end(id: number): void {
    if (this.#held.some((ticket) => ticket.id === id)) {
      this.abandoned.push(id);
      this.#held = this.#held.filter((ticket) => ticket.id !== id);
    }
    this.inFlight.delete(id);
    this.#unanswered = this.#unanswered.filter((other) => other !== id);
    this.#pump();
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#deadline(); next <= end; next = this.#deadline()) {
      this.#now = next;
      if (this.#intent === 'paused' && this.#until === next) this.disable();
      else this.#endLongHolds();
      this.#pump();
    }
    this.#now = end;
  }

  #deadline(): number {
    const holdEnd = (this.#held[0]?.since ?? Infinity) + this.#settings.maxWait;
    return Math.min(this.#intent === 'paused' ? this.#until : Infinity, holdEnd);
  }

  #endLongHolds(): void {
    const { maxWait, onMaxWait } = this.#settings;
    const due = this.#held.filter(({ since }) => since + maxWait <= this.#now).length;
    if (onMaxWait === 'reject') this.#reject(due);
    else this.#letGo(due);
  }

  #pump(): void {
    if (this.#intent !== 'running') return;
    this.#letGo(Math.max(0, this.#settings.concurrency - this.#unanswered.length));
  }

  #letGo(count: number): void {
    for (const { id } of this.#held.splice(0, count)) {
      this.#unanswered.push(id);
      this.#pass(id);
    }
  }

  #pass(id: number): void {
    this.inFlight.add(id);
    this.passed.push(id);
  }

  #reject(count: number): void {
    this.rejected.push(...this.#held.splice(0, count).map(({ id }) => id));
  }
}
