/**
 * Postcard, which says neither types nor names: both sides know them.
 *
 * https://postcard.jamesmunns.com/wire-format
 *
 * Each type is a function that reads one of its values:
 *
 *     const dog = struct({ name: string, weight_kg: option(f64) });
 */

import { exact } from "./reader.js";

const MAX_VARINT_BYTES = 10; // Of 64 bits, seven in each.

export function bool(reader) {
  const byte = reader.uint(1);
  if (byte > 1) throw new Error(`0x${byte.toString(16)} is no Postcard bool.`);
  return byte === 1;
}

/** A number; a BigInt beyond the integers that a number holds exactly. */
export function u64(reader) {
  return exact(varint(reader));
}

/** As u64. The signs alternate: 0, -1, 1, -2, 2 are sent as 0, 1, 2, 3, 4. */
export function i64(reader) {
  const zigzag = varint(reader);
  return exact((zigzag >> 1n) ^ -(zigzag & 1n));
}

export function f64(reader) {
  return reader.float(8, true);
}

export function string(reader) {
  return reader.text(Number(varint(reader)));
}

/** A value or null. */
export function option(read) {
  return (reader) => (bool(reader) ? read(reader) : null);
}

/** An object with these fields, in this order. */
export function struct(fields) {
  return (reader) =>
    Object.fromEntries(Object.entries(fields).map(([name, read]) => [name, read(reader)]));
}

/** Returns a BigInt of seven bits a byte, the lowest first; the eighth says that more follow. */
function varint(reader) {
  let value = 0n;
  for (let n = 0n; n < MAX_VARINT_BYTES; n += 1n) {
    const byte = BigInt(reader.uint(1));
    value |= (byte & 0x7fn) << (7n * n);
    if (byte < 0x80n) return value;
  }
  throw new Error(`A Postcard varint has more than ${MAX_VARINT_BYTES} bytes.`);
}
