/**
 * The elements of one JSON array, each as soon as it is whole.
 *
 * https://www.rfc-editor.org/rfc/rfc8259#section-5
 */

import { ItemDecoder } from "./framing.js";
import { INCOMPLETE, utf8 } from "./reader.js";

const codes = (text) => [...text].map((char) => char.charCodeAt(0));
const BLANKS = codes(" \t\r\n");
const OPENING = codes("[{");
const CLOSING = codes("]}");
const [BEGIN, END, COMMA, QUOTE, BACKSLASH] = codes('[],"\\');

export class JSONArrayDecoder extends ItemDecoder {
  #hasElements = false;

  constructor() {
    super((reader) => this.#element(reader));
  }

  end() {
    // What no element has taken is the end of the array.
    const end = this.#hasElements ? "]" : "[]";
    if (utf8(this.rest).replace(/\s/g, "") === end) return [];
    throw new Error("The stream ends within its array.");
  }

  /** Reads an element, and the bracket or the comma in front of it. */
  #element(reader) {
    const { data } = reader;
    const start = skipBlanks(data, reader.offset);
    if (this.#hasElements && data[start] === END) throw INCOMPLETE;
    if (data[start] !== (this.#hasElements ? COMMA : BEGIN)) {
      throw new Error("A JSON array has something else between its elements.");
    }
    const begin = skipBlanks(data, start + 1);
    if (!this.#hasElements && data[begin] === END) throw INCOMPLETE;
    reader.offset = valueEnd(data, begin);
    const element = JSON.parse(utf8(data.subarray(begin, reader.offset)));
    this.#hasElements = true;
    return element;
  }
}

function skipBlanks(data, at) {
  while (BLANKS.includes(data[at])) at += 1;
  if (at === data.length) throw INCOMPLETE;
  return at;
}

/**
 * Returns where a value ends: with its last bracket or quote, so that it waits for nothing more;
 * or, if it is a number, true, false or null, before what comes behind it.
 */
function valueEnd(data, at) {
  for (let depth = 0; at < data.length; at += 1) {
    const byte = data[at];
    const isClosing = CLOSING.includes(byte);
    if (depth === 0 && (isClosing || byte === COMMA)) return at;
    if (byte === QUOTE) at = stringEnd(data, at + 1);
    else if (OPENING.includes(byte)) depth += 1;
    else if (isClosing) depth -= 1;
    else continue;
    if (depth === 0) return at + 1;
  }
  throw INCOMPLETE;
}

/** Returns where the quote is that ends a string. */
function stringEnd(data, at) {
  for (; at < data.length; at += 1) {
    if (data[at] === BACKSLASH) at += 1;
    else if (data[at] === QUOTE) return at;
  }
  throw INCOMPLETE;
}
