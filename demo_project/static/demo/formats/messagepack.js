/**
 * MessagePack, one value at a time: https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 *     nil, bool, float, str   null, boolean, number, string
 *     int                     a number; a BigInt beyond the integers that a number holds exactly
 *     bin                     a Uint8Array
 *     array, map              an array; an object, its keys as strings
 *     timestamp               a Date, to the millisecond
 *     other extensions        {type, data}
 */

/** Returns the next value. */
export function messagePack(reader) {
  const type = reader.uint(1);
  if (type <= 0x7f) return type;
  if (type <= 0x8f) return map(reader, type & 0x0f);
  if (type <= 0x9f) return array(reader, type & 0x0f);
  if (type <= 0xbf) return reader.text(type & 0x1f);
  if (type >= 0xe0) return type - 0x100;
  const read = READ[type];
  if (!read) throw new Error(`0x${type.toString(16)} begins no MessagePack value.`);
  return read(reader);
}

const READ = {
  0xc0: () => null,
  0xc2: () => false,
  0xc3: () => true,
  0xc4: (reader) => reader.bytes(reader.uint(1)),
  0xc5: (reader) => reader.bytes(reader.uint(2)),
  0xc6: (reader) => reader.bytes(reader.uint(4)),
  0xc7: (reader) => extension(reader, reader.uint(1)),
  0xc8: (reader) => extension(reader, reader.uint(2)),
  0xc9: (reader) => extension(reader, reader.uint(4)),
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
  0xd4: (reader) => extension(reader, 1),
  0xd5: (reader) => extension(reader, 2),
  0xd6: (reader) => extension(reader, 4),
  0xd7: (reader) => extension(reader, 8),
  0xd8: (reader) => extension(reader, 16),
  0xd9: (reader) => reader.text(reader.uint(1)),
  0xda: (reader) => reader.text(reader.uint(2)),
  0xdb: (reader) => reader.text(reader.uint(4)),
  0xdc: (reader) => array(reader, reader.uint(2)),
  0xdd: (reader) => array(reader, reader.uint(4)),
  0xde: (reader) => map(reader, reader.uint(2)),
  0xdf: (reader) => map(reader, reader.uint(4)),
};

function array(reader, size) {
  return reader.nested(() => reader.repeat(size, () => messagePack(reader)));
}

function map(reader, size) {
  const entry = () => [messagePack(reader), messagePack(reader)];
  return Object.fromEntries(reader.nested(() => reader.repeat(size, entry)));
}

function extension(reader, size) {
  const type = reader.int(1);
  const data = reader.bytes(size);
  return type === -1 ? timestamp(data) : { type, data };
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
