/** Rows that fill a table while they arrive, in the format that the page asks for. */

import { JSONLinesDecoder } from "./jsonlines.js";
import { MessagePackDecoder } from "./messagepack.js";
import { RowWindow } from "./rowwindow.js";
import { accepted, chunks, isAbort } from "./streams.js";

const DECODERS = {
  "application/jsonl": JSONLinesDecoder,
  "application/vnd.msgpack": MessagePackDecoder,
};

const element = (id) => document.getElementById(id);
const form = element("dogs-form");
const table = new RowWindow(element("viewport"), element("dogs"), cells);
const number = new Intl.NumberFormat("en");
let request = null; // The AbortController of the one that runs.

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (request) return;
  request = new AbortController();
  setRunning(true);
  try {
    await load(request.signal);
    show("done", table.length ? "Done." : "There are no dogs: run `python manage.py seed`.");
  } catch (error) {
    if (isAbort(error)) show("done", "Stopped.");
    else show("failed", error.message);
  }
  request = null;
  setRunning(false);
});

element("stop").addEventListener("click", () => request.abort());

async function load(signal) {
  const format = element("id_format").value;
  const meter = new Meter();
  table.clear();
  const url = `${form.action}?${new URLSearchParams(new FormData(form))}`;
  const response = await accepted(await fetch(url, { headers: { Accept: format }, signal }));
  const decoder = new DECODERS[format]();
  for await (const chunk of chunks(response)) add(decoder.decode(chunk), chunk.length, meter);
  add(decoder.end(), 0, meter);
}

function add(items, bytes, meter) {
  const failure = items.find((item) => "error" in item); // The last item of a stream that failed.
  if (failure) throw new Error(`The server says: ${failure.error}`);
  table.append(items);
  meter.count(items.length, bytes);
}

function cells(dog, index) {
  return [
    number.format(index + 1),
    dog.name,
    dog.breed,
    dog.origin,
    dog.born_on,
    dog.weight_kg === null ? "–" : `${dog.weight_kg.toFixed(1)} kg`,
    dog.is_vaccinated ? "yes" : "no",
    dog.chip,
  ];
}

/** Shows how much has come, and how fast. */
class Meter {
  #begun = performance.now();
  #rows = 0;
  #bytes = 0;
  #first = 0;
  #last = 0;
  #isDue = false;

  constructor() {
    this.#schedule();
  }

  count(rows, bytes) {
    this.#rows += rows;
    this.#bytes += bytes;
    this.#last = performance.now();
    if (this.#rows) this.#first ||= this.#last;
    this.#schedule();
  }

  /** Writes once per frame: chunks come far more often. */
  #schedule() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#show();
    });
  }

  #show() {
    const seconds = (this.#last - this.#begun) / 1000;
    element("count").textContent = number.format(this.#rows);
    element("bytes").textContent = size(this.#bytes);
    element("first").textContent = this.#first ? `${Math.round(this.#first - this.#begun)} ms` : "–";
    element("rate").textContent = this.#rows ? number.format(Math.round(this.#rows / seconds)) : "–";
  }
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

function setRunning(isRunning) {
  element("load").disabled = isRunning;
  element("stop").disabled = !isRunning;
  element("empty").hidden = true;
  if (isRunning) show("open", "Loading …");
}

function show(state, text) {
  element("status").dataset.state = state;
  element("status").textContent = text;
}
