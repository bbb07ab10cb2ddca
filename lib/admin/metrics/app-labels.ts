/**
 * Apps as labels. Each label is a time series for as long as the process runs, and names may come
 * from what clients send. Declared apps always have a label of their own. Of all other names the
 * first hundred have one, and the rest share one.
 */
const MAX_LABELS = 100;

export const OTHER = 'other';

export class AppLabels {
  readonly #isDeclared: (app: string) => boolean;
  readonly #undeclared = new Set<string>();

  constructor(isDeclared: (app: string) => boolean) {
    this.#isDeclared = isDeclared;
  }

  of(app: string): string {
    if (this.#isDeclared(app) || this.#undeclared.has(app)) return app;
    if (this.#undeclared.size >= MAX_LABELS) return OTHER;
    this.#undeclared.add(app);
    return app;
  }
}
