/** A form that starts a stream, its button that stops it, and the line that says how it goes. */

import { isAbort } from "./streams.js";

export class StreamForm {
  #request = null; // The AbortController of the stream that runs.

  /** `run(signal)` streams when the form is sent, and returns what to say at the end. */
  constructor(form, run) {
    this.start = form.querySelector("button.primary");
    this.stop = form.querySelector("[data-stop]");
    this.status = form.querySelector("[role=status]");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.#request) this.#run(run);
    });
    this.stop.addEventListener("click", () => this.#request.abort());
  }

  async #run(run) {
    this.#request = new AbortController();
    this.#setRunning(true);
    this.show("open", this.status.dataset.running);
    try {
      this.show("done", await run(this.#request.signal));
    } catch (error) {
      if (isAbort(error)) this.show("done", this.status.dataset.stopped);
      else this.show("failed", error.message);
    }
    this.#request = null;
    this.#setRunning(false);
  }

  show(state, text) {
    this.status.dataset.state = state;
    this.status.textContent = text;
  }

  #setRunning(isRunning) {
    this.start.disabled = isRunning;
    this.stop.disabled = !isRunning;
  }
}
