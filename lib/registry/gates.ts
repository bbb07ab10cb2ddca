/**
 * The gates of all apps: made as they are needed, and forgotten when they are idle and there are too
 * many. Knows which names there may be, and neither commands nor stores.
 */
import { AntractError } from '../common/errors.ts';
import type { Gate } from '../gate/gate.ts';
import { isAppName, readAppName } from '../options/app-name.ts';
import type { Settings } from '../options/settings.ts';

export interface GatesContext {
  readonly settings: Pick<Settings, 'apps' | 'maxApps'>;
  readonly make: (app: string) => Gate;
  readonly added: (gate: Gate) => void;
  /** An app's gate was dropped. */
  readonly forgotten: (gate: Gate) => void;
}

export class Gates {
  readonly #context: GatesContext;
  readonly #gates = new Map<string, Gate>();
  /** Apps that a `pause()` names, or that have options of their own. They are never forgotten. */
  readonly #named: Set<string>;
  /** Whether apps may have other names too: until a `pause()` is made, or when one reads them off requests. */
  #anyName = true;
  #declared = 0;

  constructor(context: GatesContext) {
    this.#context = context;
    this.#named = new Set(context.settings.apps.keys());
  }

  /** Those of all apps that anything is known of. */
  [Symbol.iterator](): Iterator<Gate> {
    return this.#gates.values();
  }

  /** Of the apps that have a name beforehand, or a gate by now. */
  get names(): Set<string> {
    return new Set([...this.#named, ...this.#gates.keys()]);
  }

  /**
   * Tells which app a `pause()` is for: a name, or undefined when it reads the names off requests.
   * Once each is named, a command for any other is a typing error that would look like success.
   */
  declare(app: string | undefined): void {
    if (this.#declared++ === 0) this.#anyName = false;
    if (app === undefined) this.#anyName = true;
    else this.#named.add(readAppName(app));
  }

  /** Whether a `pause()` or the options name it, rather than a request. */
  isDeclared(app: string): boolean {
    return this.#named.has(app);
  }

  /** Whether there may be an app of that name. */
  allows(app: string): boolean {
    return isAppName(app) && (this.#anyName || this.#named.has(app));
  }

  /** @throws AntractError `ERR_ANTRACT_APP_NAME`, `ERR_ANTRACT_UNKNOWN_APP`. */
  check(app: string): void {
    readAppName(app);
    if (this.allows(app)) return;
    throw new AntractError(
      'ERR_ANTRACT_UNKNOWN_APP',
      `There is no app \`${app}\`. The apps are: ${[...this.#named].join(', ')}. Name one of them, or add this one to the configuration.`,
      { status: 404 },
    );
  }

  /** Of an app that nobody has asked for yet there is none. */
  find(app: string): Gate | undefined {
    return this.#gates.get(app);
  }

  /** @throws AntractError `ERR_ANTRACT_APP_NAME`, `ERR_ANTRACT_TOO_MANY_APPS`. */
  get(app: string): Gate {
    const known = this.#gates.get(app);
    if (known) return known;
    readAppName(app);
    if (this.#makesRoom(app)) return this.#add(app);
    throw new AntractError(
      'ERR_ANTRACT_TOO_MANY_APPS',
      `All ${this.#context.settings.maxApps} apps (\`maxApps\`) are in use.`,
      { status: 503 },
    );
  }

  /** Undefined where there may be none of that name, or is no room for one more. */
  getIfAllowed(app: string): Gate | undefined {
    if (!this.allows(app)) return undefined;
    return this.#gates.get(app) ?? (this.#makesRoom(app) ? this.#add(app) : undefined);
  }

  #add(app: string): Gate {
    const { make, added } = this.#context;
    const gate = make(app);
    this.#gates.set(app, gate);
    added(gate);
    return gate;
  }

  /** False where all that there may be are in use. */
  #makesRoom(app: string): boolean {
    if (this.#gates.size < this.#context.settings.maxApps || this.#named.has(app)) return true;
    for (const [app, gate] of this.#gates) {
      if (gate.isIdle && !this.#named.has(app)) {
        this.#gates.delete(app);
        this.#context.forgotten(gate);
        return true;
      }
    }
    return false;
  }
}
