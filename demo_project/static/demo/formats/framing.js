/**
 * Where one item ends and the next begins, in a stream that arrives in pieces of any size.
 *
 * Each function takes what decodes one item, and returns a new `ItemDecoder` for one stream.
 */

import { INCOMPLETE, Reader } from "./reader.js";

/** Returned for bytes that are part of the stream and no item of it. */
export const NOTHING = Symbol("nothing");

const MAX_ITEM_BYTES = 2 ** 20;
const LF = 0x0a;
const RS = 0x1e;
const BLANKS = [0x20, 0x09, 0x0d, LF];

export class ItemDecoder {
  #read;

  /** What has come of the item that is not whole yet. */
  rest = new Uint8Array();

  /**
   * `read(reader)` returns the next item, or NOTHING. A `Reader` that has not enough throws
   * INCOMPLETE: then it is called again, from the same place, when more has come.
   */
  constructor(read) {
    this.#read = read;
  }

  /** Takes some bytes of the stream; returns the items that are whole by now. */
  decode(bytes) {
    const reader = new Reader(joined(this.rest, bytes));
    const items = [];
    let end = 0;
    try {
      while (!reader.isAtEnd) {
        const item = this.#read(reader);
        if (item !== NOTHING) items.push(item);
        end = reader.offset;
      }
    } catch (error) {
      if (error !== INCOMPLETE) throw error;
    }
    this.rest = reader.data.slice(end);
    if (this.rest.length > MAX_ITEM_BYTES) {
      throw new Error(`An item has more than ${MAX_ITEM_BYTES} bytes.`);
    }
    return items;
  }

  /** Says that the stream has ended; returns the last items, or throws if it ended within one. */
  end() {
    if (this.rest.length) throw new Error("The stream ends within an item.");
    return [];
  }
}

/** A decoder of lines, the last of which may lack its end. */
export class LineDecoder extends ItemDecoder {
  end() {
    const last = this.rest.length ? this.decode(Uint8Array.of(LF)) : [];
    return [...last, ...super.end()];
  }
}

/** Items that say themselves where they end: MessagePack, CBOR. `read` takes a `Reader`. */
export function endToEnd(read) {
  return new ItemDecoder(read);
}

/** One item a line: https://jsonlines.org. Blank lines are the heartbeat of an idle stream. */
export function lines(decode) {
  return new LineDecoder((reader) => {
    const line = reader.until(LF);
    return line.every((byte) => BLANKS.includes(byte)) ? NOTHING : decode(line);
  });
}

/**
 * JSON text sequences: https://www.rfc-editor.org/rfc/rfc7464
 *
 * A text could have line breaks inside. The ones of django_streams have none, so that each is
 * whole with its LF and none waits for the RS of the next.
 */
export function recordSeparated(decode) {
  return lines((line) => {
    if (line[0] !== RS) throw new Error("A JSON text has no record separator in front.");
    return decode(line.subarray(1));
  });
}

/** The frames of Dioxus: 0x82; the length in 1, 3 or 9 bytes; and the item. */
export function frames(decode) {
  return new ItemDecoder((reader) => {
    const first = reader.uint(1);
    if (first !== 0x82) throw new Error(`0x${first.toString(16)} begins no frame.`);
    const size = reader.uint(1);
    if (size > 127) throw new Error("A frame is masked.");
    if (size === 126) return decode(reader.bytes(reader.uint(2)));
    if (size === 127) return decode(reader.bytes(Number(reader.uint(8))));
    return decode(reader.bytes(size));
  });
}

/** Returns a function from the bytes of one item, such as those in a frame, to the item. */
export function whole(read) {
  return (bytes) => {
    const decoder = endToEnd(read);
    const items = [...decoder.decode(bytes), ...decoder.end()];
    if (items.length !== 1) throw new Error(`There are ${items.length} items, and not one.`);
    return items[0];
  };
}

function joined(first, second) {
  if (!first.length) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
