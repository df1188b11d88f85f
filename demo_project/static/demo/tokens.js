/** A prompt goes out by POST; text comes back a piece at a time, and can be stopped. */

import { StreamForm } from "./streamform.js";
import { accepted, chunks } from "./streams.js";

const element = (id) => document.getElementById(id);
const form = element("prompt-form");

new StreamForm(form, async (signal) => {
  element("text").setAttribute("aria-busy", true);
  try {
    await generate(signal);
  } finally {
    element("text").setAttribute("aria-busy", false);
  }
  return "Done.";
});

for (const chip of form.querySelectorAll("[data-prompt]")) {
  chip.addEventListener("click", () => {
    form.elements.prompt.value = chip.dataset.prompt;
    form.elements.prompt.focus();
  });
}

form.elements.prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

// The server's own count, for which the page keeps a stream of its own open.
const running = new EventSource(element("gauge").dataset.runningUrl);
running.addEventListener("message", (event) => {
  element("running").textContent = event.data;
  element("gauge").classList.toggle("is-active", event.data !== "0");
});

async function generate(signal) {
  const body = new FormData(form);
  const headers = { "X-CSRFToken": body.get("csrfmiddlewaretoken") };
  const meter = new Meter();
  element("text-prompt").textContent = body.get("prompt").trimEnd();
  element("text-tokens").textContent = "";
  const response = await accepted(
    await fetch(form.action, { method: "POST", headers, body, signal }),
  );
  const decoder = new TextDecoder();
  for await (const chunk of chunks(response)) {
    const piece = decoder.decode(chunk, { stream: true });
    element("text-tokens").append(piece);
    element("text").scrollTop = element("text").scrollHeight;
    meter.count(piece);
  }
}

/** Shows how much has come, and how fast. */
class Meter {
  #begun = performance.now();
  #characters = 0;
  #pieces = 0;
  #first = 0;

  constructor() {
    this.#show();
  }

  count(piece) {
    this.#first ||= performance.now();
    this.#characters += piece.length;
    this.#pieces += 1;
    this.#show();
  }

  #show() {
    const seconds = (performance.now() - this.#first) / 1000;
    const hasRate = this.#pieces > 1;
    element("characters").textContent = this.#characters;
    element("pieces").textContent = this.#pieces;
    element("first").textContent = this.#first ? `${Math.round(this.#first - this.#begun)} ms` : "–";
    element("rate").textContent = hasRate ? Math.round((this.#pieces - 1) / seconds) : "–";
  }
}
