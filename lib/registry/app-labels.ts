/**
 * Limits the number of app labels. Each label is a time series until the process ends, and clients may
 * choose names. Every declared app has its own label. Of all other names, the first hundred have one, and
 * the rest share `other`.
 */
const MAX_LABELS = 100;

const OTHER = 'other';

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
