/**
 * The gates of all apps: created on demand, evicted while idle once there are `maxApps`.
 */
import { AntractError } from '../common/errors.ts';
import type { Gate } from '../gate/gate.ts';
import { isAppName, readAppArgument, readAppName } from '../options/app-name.ts';
import type { Settings } from '../options/settings.ts';

export interface GatesListener {
  /** Makes the gate of an app. */
  readonly create: (app: string) => Gate;
  readonly onCreated: (gate: Gate) => void;
  readonly onEvicted: (gate: Gate) => void;
}

export class Gates {
  readonly #settings: Pick<Settings, 'apps' | 'maxApps'>;
  readonly #listener: GatesListener;
  readonly #gates = new Map<string, Gate>();
  /** Apps that a `pause()` or the `apps` option names. They are never evicted. */
  readonly #declared: Set<string>;
  /** Other names are allowed too: before the first `pause()`, and if one reads the app off requests. */
  #allowsAnyName = true;
  #declarations = 0;

  constructor(settings: Pick<Settings, 'apps' | 'maxApps'>, listener: GatesListener) {
    this.#settings = settings;
    this.#listener = listener;
    this.#declared = new Set(settings.apps.keys());
  }

  [Symbol.iterator](): Iterator<Gate> {
    return this.#gates.values();
  }

  /** All apps that are declared or have a gate. */
  get names(): Set<string> {
    return new Set([...this.#declared, ...this.#gates.keys()]);
  }

  /**
   * Tells which app a `pause()` is for: a name, or undefined if it reads the app off requests. If every
   * `pause()` names its app, a command for any other app is rejected: it is a typing error.
   */
  declare(app: string | undefined): void {
    if (this.#declarations++ === 0) this.#allowsAnyName = false;
    if (app === undefined) this.#allowsAnyName = true;
    else this.#declared.add(readAppName(app));
  }

  /** Whether a `pause()` or the options name the app, rather than a request. */
  isDeclared(app: string): boolean {
    return this.#declared.has(app);
  }

  allows(app: string): boolean {
    return isAppName(app) && (this.#allowsAnyName || this.#declared.has(app));
  }

  /**
   * Reads the app that a method was called with.
   *
   * @throws AntractError `ERR_ANTRACT_APP_NAME`, `ERR_ANTRACT_UNKNOWN_APP`.
   */
  check(method: string, app: string): void {
    readAppArgument(method, app);
    if (this.allows(app)) return;
    throw new AntractError(
      'ERR_ANTRACT_UNKNOWN_APP',
      `There is no app \`${app}\`. The apps are: ${[...this.#declared].join(', ')}. Name one of them, or add this one to the configuration.`,
      { status: 404 },
    );
  }

  /** Returns undefined for an app without a gate. */
  find(app: string): Gate | undefined {
    return this.#gates.get(app);
  }

  /** @throws AntractError `ERR_ANTRACT_APP_NAME`, `ERR_ANTRACT_TOO_MANY_APPS`. */
  get(app: string): Gate {
    const known = this.#gates.get(app);
    if (known) return known;
    readAppName(app);
    if (this.#makeRoom(app)) return this.#add(app);
    throw new AntractError(
      'ERR_ANTRACT_TOO_MANY_APPS',
      `All ${this.#settings.maxApps} apps (\`maxApps\`) are in use.`,
      { status: 503 },
    );
  }

  /** Returns undefined if the app is unknown, or if there is no room for another gate. */
  getIfAllowed(app: string): Gate | undefined {
    if (!this.allows(app)) return undefined;
    return this.#gates.get(app) ?? (this.#makeRoom(app) ? this.#add(app) : undefined);
  }

  /** Returns the gate of an app, or a temporary one: an app that is only looked at takes no room. */
  peek(app: string): Gate {
    return this.#gates.get(app) ?? this.#listener.create(app);
  }

  #add(app: string): Gate {
    const gate = this.#listener.create(app);
    this.#gates.set(app, gate);
    this.#listener.onCreated(gate);
    return gate;
  }

  /** Evicts an idle gate if necessary. Returns false if all gates are in use. */
  #makeRoom(app: string): boolean {
    if (this.#gates.size < this.#settings.maxApps || this.#declared.has(app)) return true;
    for (const [other, gate] of this.#gates) {
      if (gate.isIdle && !this.#declared.has(other)) {
        this.#gates.delete(other);
        this.#listener.onEvicted(gate);
        return true;
      }
    }
    return false;
  }
}
