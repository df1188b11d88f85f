/** Bytes of which nothing is known, shown as they are: sixteen in a row. */

import { ItemDecoder } from "./framing.js";

const ROW = 16;

/** A decoder, whose items are rows of bytes. */
export class RowDecoder extends ItemDecoder {
  constructor() {
    super((reader) => reader.bytes(ROW));
  }

  end() {
    return this.rest.length ? [this.rest] : [];
  }
}

/** Returns the columns of a row: where it begins, its bytes in hexadecimal digits and in ASCII. */
export function columns(bytes, index) {
  return [
    (index * ROW).toString(16).padStart(8, "0"),
    Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
      .join(" ")
      .padEnd(3 * ROW - 1),
    Array.from(bytes, ascii).join(""),
  ];
}

function ascii(byte) {
  return byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·";
}

/** Returns a text that shows bytes, in rows. */
export function dump(bytes) {
  const decoder = new RowDecoder();
  const rows = [...decoder.decode(bytes), ...decoder.end()];
  return rows.map((row, n) => columns(row, n).join("  ")).join("\n");
}
