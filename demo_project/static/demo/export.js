/** A million rows that are counted while they arrive, and what they cost the server meanwhile. */

import { duration, Meter, number, size } from "./meter.js";
import { Sparkline } from "./sparkline.js";
import { StreamForm } from "./streamform.js";
import { accepted, chunks } from "./streams.js";

const LF = 0x0a;

const element = (id) => document.getElementById(id);
const form = element("export-form");
const total = Number(form.dataset.total);
const memory = { now: 0, before: 0, most: 0 }; // Of the server's process, in bytes.

new StreamForm(form, async (signal) => {
  const query = new URLSearchParams(new FormData(form));
  const meter = new Meter(showFigures);
  memory.before = memory.most = memory.now;
  const response = await accepted(await fetch(`${form.action}?${query}`, { signal }));
  const counter = new RowCounter({ hasHeader: query.get("format") === "csv" });
  for await (const chunk of chunks(response)) meter.count(counter.count(chunk), chunk.length);
  if (!total) throw new Error("There are no readings: run `python manage.py seed`.");
  if (meter.items === total) return `Done: all ${number(total)} rows have come.`;
  throw new Error(`Only ${number(meter.items)} of ${number(total)} rows have come.`);
});

/**
 * Counts rows, and decodes none: each is a line.
 *
 * A cell of CSV may have line breaks within quotes. Those of this table have none.
 */
class RowCounter {
  constructor({ hasHeader }) {
    this.skips = hasHeader ? 1 : 0; // Lines that are no rows.
  }

  /** Returns how many rows end in these bytes. */
  count(bytes) {
    let lines = 0;
    for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) lines += 1;
    const skipped = Math.min(lines, this.skips);
    this.skips -= skipped;
    return lines - skipped;
  }
}

function showFigures(meter) {
  element("progress").value = meter.items;
  element("count").textContent = number(meter.items);
  element("bytes").textContent = size(meter.bytes);
  element("rate").textContent = number(meter.itemsPerSecond);
  element("time").textContent = duration(meter.seconds);
}

// What the server says of itself, for which the page keeps a stream of its own open.
const chart = new Sparkline(element("memory-chart"));
const vitals = new EventSource(element("vitals").dataset.url);
vitals.addEventListener("message", (event) => {
  const { memory: bytes, exports } = JSON.parse(event.data);
  element("exports").textContent = exports;
  element("gauge").classList.toggle("is-active", exports > 0);
  if (bytes) showMemory(bytes, exports > 0);
  else element("memory").textContent = "not known";
});

function showMemory({ now, most }, isExporting) {
  memory.now = now ?? most;
  memory.most = Math.max(memory.most, memory.now);
  chart.add(memory.now, isExporting);
  element("memory").textContent = size(memory.now);
  // Some systems tell no more than what it has been at most.
  element("memory-kind").textContent = now ? "now" : "at its highest";
  if (!memory.before) return;
  const growth = size(memory.most - memory.before);
  element("growth").textContent = `, and at most ${growth} more than when the export began`;
}
