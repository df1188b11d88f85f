/** Reads bytes from front to back: numbers, text, or as many bytes as are asked for. */

/** Thrown when a value goes on in bytes that have not arrived. `ItemDecoder` catches it. */
export const INCOMPLETE = Symbol("incomplete");

const MAX_DEPTH = 64;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class Reader {
  offset = 0;
  #depth = 0;
  #view;

  constructor(data) {
    this.data = data;
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  get isAtEnd() {
    return this.offset === this.data.length;
  }

  /** Returns an unsigned integer of 1, 2, 4 or 8 bytes, the most significant one first. */
  uint(size) {
    const at = this.#take(size);
    if (size === 8) return exact(this.#view.getBigUint64(at));
    return this.#view[`getUint${8 * size}`](at);
  }

  /** Returns a signed integer of 1, 2, 4 or 8 bytes, the most significant one first. */
  int(size) {
    const at = this.#take(size);
    if (size === 8) return exact(this.#view.getBigInt64(at));
    return this.#view[`getInt${8 * size}`](at);
  }

  /** Returns a float of 4 or 8 bytes. */
  float(size, isLittleEndian = false) {
    return this.#view[`getFloat${8 * size}`](this.#take(size), isLittleEndian);
  }

  /** Returns a copy of the next bytes. */
  bytes(size) {
    const at = this.#take(size);
    return this.data.slice(at, at + size);
  }

  /** Returns the text of the next bytes, which are UTF-8. */
  text(size) {
    const at = this.#take(size);
    return utf8(this.data.subarray(at, at + size));
  }

  /** Returns the bytes up to the next one of this value, which is left out and passed over. */
  until(byte) {
    const found = this.data.indexOf(byte, this.offset);
    if (found < 0) throw INCOMPLETE;
    const bytes = this.data.subarray(this.offset, found);
    this.offset = found + 1;
    return bytes;
  }

  /** Returns what `read` has returned so many times. */
  repeat(times, read) {
    const values = []; // It grows by what is there: the number is only what the sender says.
    for (let n = 0; n < times; n += 1) values.push(read());
    return values;
  }

  /** Returns what `read` returns of a value within another. */
  nested(read) {
    if (this.#depth === MAX_DEPTH) throw new Error(`Nested over ${MAX_DEPTH} deep.`);
    this.#depth += 1;
    const value = read();
    this.#depth -= 1;
    return value;
  }

  #take(size) {
    const at = this.offset;
    if (at + size > this.data.length) throw INCOMPLETE;
    this.offset += size;
    return at;
  }
}

/** Returns a BigInt as a number, if a number holds it exactly. */
export function exact(bigint) {
  const number = Number(bigint);
  return Number.isSafeInteger(number) ? number : bigint;
}

export function utf8(bytes) {
  return UTF8.decode(bytes);
}
