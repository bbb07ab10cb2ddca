/**
 * Apps as labels. Their names may come from what clients send, and each new one is a time series for
 * ever: the first hundred keep theirs, all later ones share one. Pure.
 */
const MAX_LABELS = 100;

export const OTHER = 'other';

export class AppLabels {
  readonly #known = new Set<string>();

  of(app: string): string {
    if (this.#known.has(app)) return app;
    if (this.#known.size >= MAX_LABELS) return OTHER;
    this.#known.add(app);
    return app;
  }
}
