/**
 * A decoder for each format of django_streams, by the name that `?format=` has for it.
 *
 *     const decoder = DECODERS["jsonl"]();
 *     for await (const chunk of chunks(response)) show(decoder.decode(chunk));
 *     show(decoder.end());
 *
 * A format is an encoding and a framing, as on the server; each has a module here.
 */

import { cbor } from "./cbor.js";
import { csv } from "./csv.js";
import { EventDecoder } from "./events.js";
import { endToEnd, frames, lines, recordSeparated, whole } from "./framing.js";
import { RowDecoder } from "./hexdump.js";
import { JSONArrayDecoder } from "./jsonarray.js";
import { messagePack } from "./messagepack.js";
import { utf8 } from "./reader.js";

const json = (bytes) => JSON.parse(utf8(bytes));

export const DECODERS = {
  text: () => lines(utf8),
  bytes: () => new RowDecoder(),
  jsonl: () => lines(json),
  "json-seq": () => recordSeparated(json),
  json: () => new JSONArrayDecoder(),
  msgpack: () => endToEnd(messagePack),
  "cbor-seq": () => endToEnd(cbor),
  csv: () => csv(),
  "event-stream": () => new EventDecoder(),
  "dioxus-json": () => frames(json),
  "dioxus-cbor": () => frames(whole(cbor)),
  "dioxus-msgpack": () => frames(whole(messagePack)),
  /** Postcard says nothing of the type: `read` does, as `struct()` in postcard.js makes one. */
  "dioxus-postcard": (read) => frames(whole(read)),
};
