/**
 * MessagePack values that are laid end to end, decoded while they arrive.
 *
 * https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 *     nil, bool, float, str   null, boolean, number, string
 *     int                     a number; a BigInt beyond the integers that a number holds exactly
 *     bin                     a Uint8Array
 *     array, map              an array; an object, its keys as strings
 *     timestamp               a Date, to the millisecond
 *     other extensions        {type, data}
 */

const MAX_ITEM_BYTES = 2 ** 20;
const MAX_DEPTH = 64;

/** Thrown, and caught, in here: the value goes on in bytes that have not arrived. */
const INCOMPLETE = Symbol("incomplete");

export class MessagePackDecoder {
  #rest = new Uint8Array();

  /** Takes some bytes of the stream; returns the items that are whole by now. */
  decode(bytes) {
    const reader = new Reader(joined(this.#rest, bytes));
    const items = [];
    let end = 0;
    try {
      while (!reader.isAtEnd) {
        items.push(reader.value());
        end = reader.offset;
      }
    } catch (error) {
      if (error !== INCOMPLETE) throw error;
    }
    this.#rest = reader.bytes.slice(end);
    if (this.#rest.length > MAX_ITEM_BYTES) {
      throw new Error(`A MessagePack item has more than ${MAX_ITEM_BYTES} bytes.`);
    }
    return items;
  }

  /** Says that the stream has ended; returns no items, and throws if it ended within one. */
  end() {
    if (this.#rest.length) throw new Error("The MessagePack stream ends within an item.");
    return [];
  }
}

/** Reads values from bytes, one after the other. */
class Reader {
  offset = 0;
  #depth = 0;
  #view;

  constructor(bytes) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd() {
    return this.offset === this.bytes.length;
  }

  value() {
    const type = this.uint(1);
    if (type <= 0x7f) return type;
    if (type <= 0x8f) return this.map(type & 0x0f);
    if (type <= 0x9f) return this.array(type & 0x0f);
    if (type <= 0xbf) return this.string(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    const read = READ[type];
    if (!read) throw new Error(`0x${type.toString(16)} begins no MessagePack value.`);
    return read(this);
  }

  uint(size) {
    const at = this.#take(size);
    if (size === 8) return exact(this.#view.getBigUint64(at));
    return this.#view[`getUint${8 * size}`](at);
  }

  int(size) {
    const at = this.#take(size);
    if (size === 8) return exact(this.#view.getBigInt64(at));
    return this.#view[`getInt${8 * size}`](at);
  }

  float(size) {
    return this.#view[`getFloat${8 * size}`](this.#take(size));
  }

  binary(size) {
    const at = this.#take(size);
    return this.bytes.slice(at, at + size);
  }

  string(size) {
    const at = this.#take(size);
    return UTF8.decode(this.bytes.subarray(at, at + size));
  }

  array(size) {
    return this.#nested(() => this.#repeat(size, () => this.value()));
  }

  map(size) {
    const entries = () => this.#repeat(size, () => [this.value(), this.value()]);
    return Object.fromEntries(this.#nested(entries));
  }

  extension(size) {
    const type = this.int(1);
    const data = this.binary(size);
    return type === -1 ? timestamp(data) : { type, data };
  }

  #take(size) {
    const at = this.offset;
    if (at + size > this.bytes.length) throw INCOMPLETE;
    this.offset += size;
    return at;
  }

  #repeat(times, read) {
    const values = []; // It grows by what is there: the size is only what the sender says.
    for (let n = 0; n < times; n += 1) values.push(read());
    return values;
  }

  #nested(read) {
    if (this.#depth === MAX_DEPTH) throw new Error(`MessagePack nested over ${MAX_DEPTH} deep.`);
    this.#depth += 1;
    const value = read();
    this.#depth -= 1;
    return value;
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const READ = {
  0xc0: () => null,
  0xc2: () => false,
  0xc3: () => true,
  0xc4: (reader) => reader.binary(reader.uint(1)),
  0xc5: (reader) => reader.binary(reader.uint(2)),
  0xc6: (reader) => reader.binary(reader.uint(4)),
  0xc7: (reader) => reader.extension(reader.uint(1)),
  0xc8: (reader) => reader.extension(reader.uint(2)),
  0xc9: (reader) => reader.extension(reader.uint(4)),
  0xca: (reader) => reader.float(4),
  0xcb: (reader) => reader.float(8),
  0xcc: (reader) => reader.uint(1),
  0xcd: (reader) => reader.uint(2),
  0xce: (reader) => reader.uint(4),
  0xcf: (reader) => reader.uint(8),
  0xd0: (reader) => reader.int(1),
  0xd1: (reader) => reader.int(2),
  0xd2: (reader) => reader.int(4),
  0xd3: (reader) => reader.int(8),
  0xd4: (reader) => reader.extension(1),
  0xd5: (reader) => reader.extension(2),
  0xd6: (reader) => reader.extension(4),
  0xd7: (reader) => reader.extension(8),
  0xd8: (reader) => reader.extension(16),
  0xd9: (reader) => reader.string(reader.uint(1)),
  0xda: (reader) => reader.string(reader.uint(2)),
  0xdb: (reader) => reader.string(reader.uint(4)),
  0xdc: (reader) => reader.array(reader.uint(2)),
  0xdd: (reader) => reader.array(reader.uint(4)),
  0xde: (reader) => reader.map(reader.uint(2)),
  0xdf: (reader) => reader.map(reader.uint(4)),
};

/** Returns a BigInt as a number, if a number holds it exactly. */
function exact(bigint) {
  const number = Number(bigint);
  return Number.isSafeInteger(number) ? number : bigint;
}

/** Returns a Date: 32 bits of seconds; 30 of nanoseconds and 34 of seconds; or 32 and 64. */
function timestamp(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const date = (seconds, nanoseconds) => new Date(Number(seconds) * 1e3 + nanoseconds / 1e6);
  if (data.length === 4) return date(view.getUint32(0), 0);
  if (data.length === 12) return date(view.getBigInt64(4), view.getUint32(0));
  if (data.length !== 8) throw new Error(`A timestamp has 4, 8 or 12 bytes, not ${data.length}.`);
  const bits = view.getBigUint64(0);
  return date(bits & 0x3ffffffffn, Number(bits >> 34n));
}

function joined(first, second) {
  if (!first.length) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
