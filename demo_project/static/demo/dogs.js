/** Rows that fill a table while they arrive, in the format that the page asks for. */

import { DECODERS } from "./formats/formats.js";
import { columns, dump } from "./formats/hexdump.js";
import { bool, f64, i64, option, string, struct } from "./formats/postcard.js";
import { duration, Meter, number, size } from "./meter.js";
import { RowWindow } from "./rowwindow.js";
import { StreamForm } from "./streamform.js";
import { accepted, chunks } from "./streams.js";

const WIRE_BYTES = 256; // What is shown of the stream as it is.

/** DogItem, as the server declares it. */
const DOG = {
  chip: i64,
  name: string,
  breed_name: string,
  origin: string,
  born_on: string,
  weight_kg: option(f64),
  is_vaccinated: bool,
};

/** What makes a dog of an item, where a format leaves out its fields' names or types. */
const TO_DOG = {
  csv: (row) => ({
    ...row,
    chip: Number(row.chip),
    weight_kg: row.weight_kg ? Number(row.weight_kg) : null,
    is_vaccinated: row.is_vaccinated === "true",
  }),
  "dioxus-msgpack": (values) =>
    Object.fromEntries(Object.keys(DOG).map((name, n) => [name, values[n]])),
  "event-stream": (event) => JSON.parse(event.data),
};

const element = (id) => document.getElementById(id);
const form = element("dogs-form");

const tables = {
  dogs: new RowWindow(element("viewport"), element("dogs"), dogCells),
  text: new RowWindow(element("text-viewport"), element("lines"), lineCells),
  bytes: new RowWindow(element("bytes-viewport"), element("octets"), columns),
};

new StreamForm(form, async (signal) => {
  const { name, mediaType } = element("id_format").selectedOptions[0].dataset;
  const table = show(tables[name] ?? tables.dogs);
  const showWire = wire();
  const meter = new Meter(showFigures);
  const decoder = DECODERS[name](struct(DOG));
  const add = (items, bytes) => {
    table.append(items.map(TO_DOG[name] ?? same).map(notFailed));
    // Rows of bytes are ours, not the server's: it has sent no items.
    meter.count(name === "bytes" ? 0 : items.length, bytes);
  };
  const url = `${form.action}?${new URLSearchParams(new FormData(form))}`;
  const response = await accepted(await fetch(url, { headers: { Accept: mediaType }, signal }));
  for await (const chunk of chunks(response)) {
    showWire(chunk);
    add(decoder.decode(chunk), chunk.length);
  }
  add(decoder.end(), 0);
  return table.length ? "Done." : "There are no dogs: run `python manage.py seed`.";
});

/** Shows one table, empty, in place of the others. */
function show(table) {
  element("empty").hidden = true;
  for (const each of Object.values(tables)) {
    each.viewport.hidden = each !== table;
    each.clear();
  }
  return table;
}

function same(item) {
  return item;
}

/** Throws what the server tells of its failure, which is the last item of a stream that failed. */
function notFailed(item) {
  if (item.error) throw new Error(`The server says: ${item.error}`);
  return item;
}

function dogCells(dog, index) {
  return [
    number(index + 1),
    dog.name,
    dog.breed_name,
    dog.origin,
    dog.born_on,
    dog.weight_kg === null ? "–" : `${dog.weight_kg.toFixed(1)} kg`,
    dog.is_vaccinated ? "yes" : "no",
    dog.chip,
  ];
}

function lineCells(line, index) {
  return [number(index + 1), line];
}

function showFigures(meter) {
  element("count").textContent = number(meter.items || null);
  element("bytes").textContent = size(meter.bytes);
  element("per-item").textContent = meter.items ? `${meter.bytesPerItem.toFixed(1)} B` : "–";
  element("first").textContent = duration(meter.secondsToFirst);
  element("rate").textContent = number(meter.itemsPerSecond);
  element("time").textContent = duration(meter.seconds);
}

/** Returns what takes each chunk, and shows how the stream begins, byte by byte. */
function wire() {
  let begin = new Uint8Array();
  return (chunk) => {
    if (begin.length === WIRE_BYTES) return;
    begin = Uint8Array.of(...begin, ...chunk.subarray(0, WIRE_BYTES - begin.length));
    element("wire").textContent = dump(begin);
  };
}
