/**
 * CSV with a header: each row becomes an object by the names in it, and all of its values are text.
 *
 * https://www.rfc-editor.org/rfc/rfc4180
 */

import { LineDecoder, NOTHING } from "./framing.js";
import { INCOMPLETE, utf8 } from "./reader.js";

const LF = 0x0a;
const QUOTE = 0x22;

/** A cell: in quotes, those inside doubled, or without any; and the comma or line end behind it. */
const CELL = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n$)/gy;

/** Returns a new decoder for one stream. */
export function csv() {
  let header = null;
  return new LineDecoder((reader) => {
    const row = cells(record(reader));
    if (header) return named(row, header);
    header = row;
    return NOTHING;
  });
}

/** Returns the text of one record: to the end of a line, but not of one within quotes. */
function record(reader) {
  const { data, offset } = reader;
  let isQuoted = false;
  for (let at = offset; at < data.length; at += 1) {
    if (data[at] === QUOTE) isQuoted = !isQuoted; // A doubled one changes it twice.
    if (data[at] === LF && !isQuoted) return utf8(reader.bytes(at + 1 - offset));
  }
  throw INCOMPLETE;
}

function cells(text) {
  const found = [...text.matchAll(CELL)];
  const length = found.reduce((sum, [cell]) => sum + cell.length, 0);
  if (length !== text.length) throw new Error(`This is no row of CSV: ${text}`);
  return found.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain);
}

function named(row, header) {
  if (row.length !== header.length) {
    throw new Error(`A row of CSV has ${row.length} cells for ${header.length} columns.`);
  }
  return Object.fromEntries(header.map((name, n) => [name, row[n]]));
}
