/**
 * Server-Sent Events from fetch(), which sends what an EventSource cannot: a POST, or headers. But
 * who reconnects, with the `lastEventId`, is then the page.
 *
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */

import { ItemDecoder, NOTHING } from "./framing.js";
import { INCOMPLETE } from "./reader.js";

const LF = 0x0a;
const CR = 0x0d;

export class EventDecoder extends ItemDecoder {
  #text = new TextDecoder(); // As the standard has it: it replaces what is no UTF-8.
  #lastEventId = "";

  /** Items are events: `{type, data, lastEventId}`. */
  constructor() {
    super((reader) => this.#event(reader));
  }

  /** An event that has not ended is dropped, by the standard. */
  end() {
    return [];
  }

  #event(reader) {
    const fields = { event: "", data: [], id: this.#lastEventId };
    for (let line = this.#line(reader); line !== ""; line = this.#line(reader)) {
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (name === "data") fields.data.push(value);
      else if (name === "event" || (name === "id" && !value.includes("\0"))) fields[name] = value;
    }
    this.#lastEventId = fields.id;
    if (!fields.data.length) return NOTHING; // A comment, such as a heartbeat, or `retry`.
    const data = fields.data.join("\n");
    return { type: fields.event || "message", data, lastEventId: fields.id };
  }

  /** Returns the next line, which ends in LF, CR LF or CR. */
  #line(reader) {
    const { data, offset } = reader;
    let end = offset;
    while (end < data.length && data[end] !== LF && data[end] !== CR) end += 1;
    const isCR = data[end] === CR;
    if (end + isCR >= data.length) throw INCOMPLETE; // Behind a CR there may come an LF.
    const size = end - offset;
    const line = this.#text.decode(reader.bytes(size));
    reader.offset += isCR && data[end + 1] === LF ? 2 : 1;
    return line;
  }
}
