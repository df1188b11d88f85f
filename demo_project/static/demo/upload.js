/** Files that are dropped or chosen, each sent with progress, compared by its digest, and cancelled. */

import { fileDigest } from "./filedigest.js";
import { size } from "./meter.js";
import { postFile } from "./postfile.js";
import { accepted, isAbort } from "./streams.js";

const AT_ONCE = 3; // A browser opens six connections to a server, and this page's stream is one.

const element = (id) => document.getElementById(id);
const form = element("plain-form");
const waiting = [];
let running = 0;

element("uploader").hidden = false;

element("files").addEventListener("change", ({ target }) => {
  add(target.files);
  target.value = ""; // So that the same file can be chosen again.
});

// A file may be dropped anywhere: one that misses would replace the page.
addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  element("drop").classList.add("is-over");
});

addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) element("drop").classList.remove("is-over");
});

addEventListener("drop", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  element("drop").classList.remove("is-over");
  add(event.dataTransfer.files);
});

function add(files) {
  const uploads = Array.from(files, (file) => new Upload(file));
  element("uploads").prepend(...uploads.map((upload) => upload.row));
  waiting.push(...uploads);
  runNext();
}

function runNext() {
  while (running < AT_ONCE && waiting.length) {
    running += 1;
    waiting
      .shift()
      .run()
      .finally(() => {
        running -= 1;
        runNext();
      });
  }
}

/** One file, and its row. */
class Upload {
  #canceller = new AbortController();
  #begun = 0;

  constructor(file) {
    this.file = file;
    this.row = element("upload").content.cloneNode(true).firstElementChild;
    this.progress = this.#find("progress");
    this.progress.max = file.size || 1;
    this.progress.ariaLabel = `Progress of ${file.name}`;
    this.cancel = this.#find("button");
    this.cancel.ariaLabel = `Cancel ${file.name}`;
    this.cancel.addEventListener("click", () => {
      this.#canceller.abort();
      this.#end("cancelled", "Cancelled.");
    });
    this.#find(".upload-name").textContent = file.name;
    this.#find(".upload-figures").textContent = size(file.size);
  }

  async run() {
    const { signal } = this.#canceller;
    if (signal.aborted) return;
    this.#begun = performance.now();
    this.#show("open", "Uploading …");
    this.#find(".digests").hidden = false;
    const digest = fileDigest(this.file, signal);
    digest.then((hex) => this.#showDigest("browser", hex)).catch(() => {}); // It is caught below.
    try {
      const saved = await this.#send(signal);
      this.#compare(saved.digest, await digest);
    } catch (error) {
      if (!isAbort(error)) this.#end("failed", error.message);
      this.#canceller.abort(); // What is left of it: its digest needs no computing any more.
    }
  }

  /** Sends the file; returns what the server says of it. */
  async #send(signal) {
    const headers = {
      Accept: "application/json",
      "X-CSRFToken": form.elements.csrfmiddlewaretoken.value,
    };
    const onProgress = (sent) => this.#showSent(sent);
    const response = await postFile(form.action, this.file, { headers, signal, onProgress });
    const [saved] = (await (await accepted(response)).json()).files;
    this.#showSent(saved.size);
    this.#end("done", `Saved as ${saved.name}.`);
    this.#showDigest("server", saved.digest);
    return saved;
  }

  #compare(server, browser) {
    const isSame = server === browser;
    const verdict = this.#find(".verdict");
    verdict.hidden = false;
    verdict.dataset.state = isSame ? "good" : "bad";
    verdict.textContent = isSame
      ? "✓ The digests match: what the server has saved is what the browser has read."
      : "✗ The digests differ: what the server has saved is not what the browser has read.";
  }

  #showSent(sent) {
    const perSecond = (1000 * sent) / (performance.now() - this.#begun);
    this.progress.value = this.file.size ? sent : 1;
    this.#find(".upload-figures").textContent =
      `${size(sent)} of ${size(this.file.size)}, ${size(Math.round(perSecond))}/s`;
  }

  #showDigest(side, hex) {
    this.#find(`[data-digest=${side}]`).textContent = hex;
  }

  #end(state, text) {
    this.cancel.disabled = true;
    if (state !== "done") this.#find(".digests").hidden = true;
    this.#show(state, text);
  }

  #show(state, text) {
    const status = this.#find(".status");
    status.dataset.state = state;
    status.textContent = text;
  }

  #find(selector) {
    return this.row.querySelector(selector);
  }
}

// What the server says of its folder, for which the page keeps a stream of its own open.
const folder = new EventSource(element("folder").dataset.url);
folder.addEventListener("message", (event) => {
  const { arriving, parts, files } = JSON.parse(event.data);
  element("arriving").textContent = arriving;
  element("parts").textContent = parts;
  element("file-count").textContent = files;
});
