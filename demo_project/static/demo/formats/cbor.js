/**
 * CBOR, one value at a time: https://www.rfc-editor.org/rfc/rfc8949
 *
 *     integer                 a number; a BigInt beyond the integers that a number holds exactly
 *     byte string             a Uint8Array
 *     text, array, map        a string; an array; an object, its keys as strings
 *     float                   a number, of whichever size
 *     false, true, null       themselves; and undefined
 *
 * Lengths may be indefinite. Tags are refused: django_streams writes none.
 */

import { exact } from "./reader.js";

const INDEFINITE = 31;

/** Ends what has an indefinite length: it stands where a value would, and is none. */
const BREAK = Symbol("break");

/** Returns the next value. */
export function cbor(reader) {
  const value = valueOrBreak(reader);
  if (value === BREAK) throw new Error("A CBOR break ends nothing.");
  return value;
}

function valueOrBreak(reader) {
  const first = reader.uint(1);
  const info = first & 0x1f;
  if (first === 0xff) return BREAK;
  switch (first >> 5) {
    case 0:
      return argument(reader, info);
    case 1:
      return exact(-1n - BigInt(argument(reader, info)));
    case 2:
      if (info === INDEFINITE) return joined(reader);
      return reader.bytes(Number(argument(reader, info)));
    case 3:
      if (info === INDEFINITE) return concatenated(reader);
      return reader.text(Number(argument(reader, info)));
    case 4:
      return values(reader, info, 1);
    case 5:
      return object(values(reader, info, 2));
    case 6:
      throw new Error("A CBOR tag, which this decoder does not know.");
    default:
      return simple(reader, info);
  }
}

/** Returns the number that is in the first byte, or in as many bytes behind it as that says. */
function argument(reader, info) {
  if (info < 24) return info;
  if (info > 27) throw new Error(`CBOR with the additional information ${info}.`);
  return reader.uint(2 ** (info - 24));
}

/** Returns what is in an array, or the keys and values of a map in turns: two for each entry. */
function values(reader, info, perEntry) {
  if (info === INDEFINITE) return untilBreak(reader);
  const number = perEntry * Number(argument(reader, info));
  return reader.nested(() => reader.repeat(number, () => cbor(reader)));
}

function untilBreak(reader) {
  return reader.nested(() => {
    const found = [];
    for (;;) {
      const value = valueOrBreak(reader);
      if (value === BREAK) return found;
      found.push(value);
    }
  });
}

function object(keysAndValues) {
  if (keysAndValues.length % 2) throw new Error("A CBOR map ends with a key.");
  const entries = [];
  for (let n = 0; n < keysAndValues.length; n += 2) entries.push(keysAndValues.slice(n, n + 2));
  return Object.fromEntries(entries);
}

/** Returns a text of indefinite length, which is one of texts. */
function concatenated(reader) {
  const texts = untilBreak(reader);
  if (texts.some((text) => typeof text !== "string")) throw new Error("A CBOR text of no texts.");
  return texts.join("");
}

/** Returns a byte string of indefinite length, which is one of byte strings. */
function joined(reader) {
  const strings = untilBreak(reader);
  const isOfBytes = strings.every((string) => string instanceof Uint8Array);
  if (!isOfBytes) throw new Error("A CBOR string of no bytes.");
  return Uint8Array.from(strings.flatMap((bytes) => [...bytes]));
}

function simple(reader, info) {
  switch (info) {
    case 20:
      return false;
    case 21:
      return true;
    case 22:
      return null;
    case 23:
      return undefined;
    case 25:
      return half(reader.uint(2));
    case 26:
      return reader.float(4);
    case 27:
      return reader.float(8);
    default:
      throw new Error(`A simple value of CBOR that has no meaning: ${info}.`);
  }
}

/** Returns the number of a float of 16 bits: sign, 5 bits of exponent, 10 of fraction. */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
