/**
 * The form that asks for the admin token.
 */
export class Login {
  /** @type {HTMLFormElement} */
  #form;

  /**
   * @param {HTMLFormElement} form
   * @param {(token: string) => void} onToken
   */
  constructor(form, onToken) {
    this.#form = form;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const token = this.#input.value.trim();
      if (token !== '') onToken(token);
    });
  }

  /** @param {boolean} wasWrong whether the server refused a token */
  show(wasWrong) {
    const failure = /** @type {HTMLElement} */ (this.#form.querySelector('.failure'));
    failure.hidden = !wasWrong;
    this.#input.setAttribute('aria-invalid', String(wasWrong));
    this.#form.hidden = false;
    this.#input.select();
  }

  hide() {
    this.#form.hidden = true;
    this.#input.value = '';
  }

  get #input() {
    return /** @type {HTMLInputElement} */ (this.#form.querySelector('input'));
  }
}
