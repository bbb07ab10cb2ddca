/**
 * The list of apps: one card each, those in trouble first.
 */
import { Card } from './card.js';
import { badgeOf, compareApps, hasErrors } from './words.js';

/** With this many apps the page has a search field. */
const MANY = 7;
/** So few apps are shown with their details. */
const FEW = 2;

/** @typedef {import('./status.d.ts').Status} Status */

export class Apps {
  /** @type {Map<string, Card>} */
  #cards = new Map();
  /** @type {HTMLElement} */
  #list;
  /** @type {HTMLElement} */
  #filter;
  /** @type {HTMLTemplateElement} */
  #template;
  /** @type {() => number} */
  #now;
  /** @type {import('./card.js').CardListener} */
  #listener;

  /**
   * @param {{ list: HTMLElement, filter: HTMLElement, template: HTMLTemplateElement, now: () => number }} deps
   * @param {import('./card.js').CardListener} listener
   */
  constructor({ list, filter, template, now }, listener) {
    this.#list = list;
    this.#filter = filter;
    this.#template = template;
    this.#now = now;
    this.#listener = listener;
    this.#search.addEventListener('input', () => this.#applyFilter());
  }

  /** @param {string} app */
  find(app) {
    return this.#cards.get(app);
  }

  /**
   * Shows a snapshot. Returns what a screen reader should announce.
   *
   * @param {readonly Status[]} apps
   */
  show(apps) {
    const news = apps.flatMap((status) => this.#update(status));
    const known = new Set(apps.map(({ app }) => app));
    for (const [app, card] of this.#cards) {
      if (known.has(app)) continue;
      card.remove();
      this.#cards.delete(app);
    }
    for (const card of this.#cards.values()) card.suggestExpanded(apps.length <= FEW);
    this.#filter.hidden = apps.length < MANY;
    this.#applyFilter();
    this.#sort(apps);
    return news;
  }

  /**
   * @param {readonly import('./status.d.ts').Transition[]} transitions
   * @param {boolean} areAll whether earlier ones are among them
   */
  addTransitions(transitions, areAll) {
    for (const [app, card] of this.#cards) {
      const own = transitions.filter((each) => each.app === app);
      if (areAll || own.length > 0) card.addTransitions(own, areAll);
    }
  }

  tick() {
    for (const card of this.#cards.values()) card.tick();
  }

  /** @param {boolean} isLive */
  setLive(isLive) {
    for (const card of this.#cards.values()) card.setLive(isLive);
  }

  /** @param {Status} status @returns {string[]} */
  #update(status) {
    const known = this.#cards.get(status.app);
    const before = known && newsOf(known.status);
    const card = known ?? this.#add(status);
    card.update(status);
    return before === undefined || before === newsOf(status)
      ? []
      : [[status.summary, ...status.details].join(' ')];
  }

  /** @param {Status} status */
  #add(status) {
    const card = new Card({ template: this.#template, status, now: this.#now }, this.#listener);
    this.#cards.set(status.app, card);
    this.#list.append(card.element);
    return card;
  }

  /** Nothing moves under the pointer or the keyboard focus. @param {readonly Status[]} apps */
  #sort(apps) {
    if (this.#list.matches(':hover, :focus-within')) return;
    const wanted = apps.toSorted(compareApps).map(({ app }) => this.#cards.get(app)?.element);
    for (const [i, element] of wanted.entries()) {
      const there = this.#list.children[i];
      if (element && there && element !== there) there.before(element);
    }
  }

  #applyFilter() {
    const wanted = this.#filter.hidden ? '' : this.#search.value.trim().toLowerCase();
    for (const [app, { element, status }] of this.#cards) {
      const texts = [app, status.phase, badgeOf(status), status.target ?? ''];
      element.hidden = !texts.some((text) => text.toLowerCase().includes(wanted));
    }
  }

  get #search() {
    return /** @type {HTMLInputElement} */ (this.#filter.querySelector('input'));
  }
}

/** What is announced when it changes; a share of errors near its limit would be announced all the time. @param {Status} status */
function newsOf(status) {
  return hasErrors(status) ? status.phase : badgeOf(status);
}
