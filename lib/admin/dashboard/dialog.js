/**
 * The dialog that confirms a command, and the POST after the confirmation.
 */
import { printable } from '../../common/format.js';
import { defaultMaxTime, inWordsOfForm, parametersOf, questionFor } from './commands.js';

const ANSWER_WITHIN_MS = 15_000;
/** A server answers sooner, unless the request has not left the browser. */
const LATE_MS = 1000;

export class CommandDialog {
  /** @type {HTMLDialogElement} */
  #dialog;
  /** @type {import('./client.js').AdminClient} */
  #client;
  /** @type {(message: string) => void} */
  #onDone;
  /** @type {import('./commands.js').Command} */
  #command = 'enable';
  /** @type {import('./status.d.ts').Status | undefined} */
  #status;
  #pending = new AbortController();

  /**
   * @param {{ dialog: HTMLDialogElement, client: import('./client.js').AdminClient }} deps
   * @param {(message: string) => void} onDone gets the server's result
   * @param {(app: string) => void} onClose gets the app of the command
   */
  constructor({ dialog, client }, onDone, onClose) {
    this.#dialog = dialog;
    this.#client = client;
    this.#onDone = onDone;
    this.#part('cancel').addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => {
      this.#pending.abort();
      onClose(this.#status?.app ?? '');
    });
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#run();
    });
  }

  /**
   * @param {import('./commands.js').Command} command
   * @param {import('./status.d.ts').Status} status
   */
  ask(command, status) {
    this.#command = command;
    this.#status = status;
    const { title, text, confirm } = questionFor(command, status);
    const [heading, paragraph] = this.#dialog.querySelectorAll('h2, p');
    if (heading) heading.textContent = title;
    if (paragraph) paragraph.textContent = text;
    this.#form.reset();
    for (const field of this.#fields()) {
      field.hidden = !field.dataset['for']?.split(' ').includes(command);
    }
    this.#part('max-time').setAttribute('placeholder', defaultMaxTime(status));
    const button = this.#part('confirm');
    button.textContent = confirm;
    button.className = command === 'stop' ? 'main risky' : 'main';
    this.#showFailure('');
    this.#dialog.showModal();
    // The first field gets the focus. Without a field, Cancel gets it, so that Enter alone confirms nothing.
    (
      this.#fields()
        .find((field) => !field.hidden)
        ?.querySelector('input') ?? this.#part('cancel')
    ).focus();
  }

  /** No command can be sent while the connection is lost. @param {boolean} isLive */
  setLive(isLive) {
    this.#part('confirm').disabled = !isLive;
  }

  async #run() {
    const button = this.#part('confirm');
    button.disabled = true;
    this.#pending = new AbortController();
    const { signal } = this.#pending;
    const late = setTimeout(() => (this.#part('late').hidden = false), LATE_MS);
    try {
      const endpoint = this.#command === 'narrow' ? 'enable' : this.#command;
      this.#onDone(await sendCommand(this.#client, endpoint, this.#parameters(), signal));
      this.#dialog.close();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#showFailure(inWordsOfForm(reason, this.#labels()), reason);
    } finally {
      clearTimeout(late);
      this.#part('late').hidden = true;
      button.disabled = false;
    }
  }

  #parameters() {
    const parameters = this.#status ? parametersOf(this.#command, this.#status) : {};
    for (const input of this.#inputs()) {
      const value = input.type === 'checkbox' && !input.checked ? '' : input.value.trim();
      if (value !== '') parameters[input.name] = value;
    }
    return parameters;
  }

  /** The visible labels by the parameter of their input. */
  #labels() {
    return new Map(
      this.#inputs().map((input) => [
        input.name,
        input.closest('label')?.querySelector('span')?.textContent ?? '',
      ]),
    );
  }

  /**
   * Shows a failure below the field that it is about, or at the end of the form.
   *
   * @param {string} message
   * @param {string} [reason] which names the parameter of the field
   */
  #showFailure(message, reason = '') {
    const failure = this.#part('failure');
    const wrong = this.#inputs().find(({ name }) => reason.includes(`\`${name}\``));
    for (const input of this.#dialog.querySelectorAll('input')) {
      input.removeAttribute('aria-invalid');
      input.removeAttribute('aria-describedby');
    }
    const label = wrong?.closest('label');
    if (label) label.after(failure);
    else this.#part('late').before(failure);
    wrong?.setAttribute('aria-invalid', 'true');
    wrong?.setAttribute('aria-describedby', failure.id);
    wrong?.focus();
    failure.textContent = message;
    failure.hidden = message === '';
  }

  get #form() {
    return /** @type {HTMLFormElement} */ (this.#dialog.querySelector('form'));
  }

  /** @returns {HTMLElement[]} */
  #fields() {
    return [...this.#dialog.querySelectorAll('label')];
  }

  #inputs() {
    return this.#fields().flatMap((field) =>
      field.hidden ? [] : [...field.querySelectorAll('input')],
    );
  }

  /** @param {string} name */
  #part(name) {
    return /** @type {HTMLButtonElement} */ (this.#dialog.querySelector(`[data-part="${name}"]`));
  }
}

/**
 * Resolves with the server's result; rejects with its reason.
 *
 * @param {import('./client.js').AdminClient} client
 * @param {string} endpoint
 * @param {Record<string, string>} parameters
 * @param {AbortSignal[]} signals
 */
export async function sendCommand(client, endpoint, parameters, ...signals) {
  const answer = await client.request(endpoint, {
    method: 'POST',
    body: new URLSearchParams(parameters),
    signal: AbortSignal.any([AbortSignal.timeout(ANSWER_WITHIN_MS), ...signals]),
  });
  const { result, detail } = await answer.json();
  if (!answer.ok) throw new Error(printable(detail ?? `Answered ${answer.status}.`));
  return printable(String(result));
}
