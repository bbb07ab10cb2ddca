/**
 * The dialog that confirms a command, and the POST after the confirmation.
 */
import { printable } from '../../common/format.js';
import { questionFor } from './words.js';

const ANSWER_WITHIN_MS = 15_000;

export class CommandDialog {
  /** @type {HTMLDialogElement} */
  #dialog;
  /** @type {URL} */
  #base;
  /** @type {(message: string) => void} */
  #onDone;
  /** @type {import('./words.js').Command} */
  #command = 'enable';
  #app = '';

  /**
   * @param {HTMLDialogElement} dialog
   * @param {URL} base
   * @param {(message: string) => void} onDone gets the server's result
   * @param {(app: string) => void} onClose gets the app of the command
   */
  constructor(dialog, base, onDone, onClose) {
    this.#dialog = dialog;
    this.#base = base;
    this.#onDone = onDone;
    this.#part('cancel').addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => onClose(this.#app));
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#run();
    });
  }

  /**
   * @param {import('./words.js').Command} command
   * @param {import('./status.d.ts').Status} status
   */
  ask(command, status) {
    this.#command = command;
    this.#app = status.app;
    const { title, text, confirm } = questionFor(command, status);
    const [heading, paragraph] = this.#dialog.querySelectorAll('h2, p');
    if (heading) heading.textContent = title;
    if (paragraph) paragraph.textContent = text;
    this.#form.reset();
    for (const field of this.#fields()) field.hidden = field.dataset['for'] !== command;
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
    try {
      this.#onDone(await this.#send());
      this.#dialog.close();
    } catch (error) {
      this.#showFailure(error instanceof Error ? error.message : String(error));
    } finally {
      button.disabled = false;
    }
  }

  /** Resolves with the server's result; rejects with its reason. */
  async #send() {
    const body = new URLSearchParams({ app: this.#app });
    for (const field of this.#fields()) {
      const input = field.querySelector('input');
      if (input && !field.hidden && input.value.trim() !== '')
        body.set(input.name, input.value.trim());
    }
    const answer = await fetch(new URL(this.#command, this.#base), {
      method: 'POST',
      headers: { Accept: 'application/json' },
      body,
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const { result, detail } = await answer.json();
    if (!answer.ok) throw new Error(printable(detail ?? `Answered ${answer.status}.`));
    return printable(String(result));
  }

  /** @param {string} message */
  #showFailure(message) {
    const failure = this.#part('failure');
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

  /** @param {string} name */
  #part(name) {
    return /** @type {HTMLButtonElement} */ (this.#dialog.querySelector(`[data-part="${name}"]`));
  }
}
