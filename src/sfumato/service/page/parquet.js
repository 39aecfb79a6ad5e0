// The names of a Parquet file's columns, from its footer: no other byte of it is read.

const MOST_FOOTER_BYTES = 16e6;
const BINARY = 8, LIST = 9, SET = 10, MAP = 11, STRUCT = 12;

/** Return `{rows, columns}` of a file, columns as `{name, nested}`; null if it is no Parquet. */
export async function parquetColumns(file) {
  const end = new DataView(await file.slice(-8).arrayBuffer());
  if (end.byteLength < 8 || end.getUint32(4) !== 0x50415231) return null; // "PAR1"
  const length = end.getUint32(0, true);
  if (length > Math.min(MOST_FOOTER_BYTES, file.size - 8)) return null;
  const bytes = new Uint8Array(await file.slice(-8 - length, -8).arrayBuffer());
  try {
    const footer = new Reader(bytes).struct(3); // 2: the schema, 3: the number of rows
    return { rows: footer[3], columns: topLevel(footer[2]) };
  } catch {
    return null;
  }
}

function topLevel(schema) {
  const columns = [];
  for (let at = 1; at < schema.length; at = after(schema, at)) {
    columns.push({ name: text(schema[at][4]), nested: (schema[at][5] ?? 0) > 0 });
  }
  return columns;
}

/** The place after an element of the schema and all that it holds. */
function after(schema, at) {
  let next = at + 1;
  for (let n = schema[at][5] ?? 0; n > 0; n--) next = after(schema, next);
  return next;
}

function text(bytes) {
  return new TextDecoder().decode(bytes);
}

/** Thrift's compact protocol. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  byte() {
    if (this.at >= this.bytes.length) throw new RangeError("the footer ends too early");
    return this.bytes[this.at++];
  }

  /** A number of seven bits a byte; exact up to 2 ** 53. */
  varint() {
    let value = 0, unit = 1, part;
    do {
      part = this.byte();
      value += (part & 127) * unit;
      unit *= 128;
    } while (part & 128);
    return value;
  }

  integer() {
    const value = this.varint();
    return value % 2 ? -(value + 1) / 2 : value / 2;
  }

  /** Fields by number, up to the field `last`. */
  struct(last = Infinity) {
    const fields = {};
    let number = 0;
    while (number < last) {
      const head = this.byte();
      if (head === 0) break;
      number = head >> 4 ? number + (head >> 4) : this.integer();
      fields[number] = this.value(head & 15);
    }
    return fields;
  }

  value(kind) {
    if (kind < 3) return kind === 1;
    if (kind === 3) return this.byte();
    if (kind < 7) return this.integer();
    if (kind === STRUCT) return this.struct();
    if (kind === LIST || kind === SET) return this.list();
    if (kind === MAP) return this.map();
    const length = kind === BINARY ? this.varint() : 8;
    if (length > this.bytes.length - this.at) throw new RangeError("the footer ends too early");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  list() {
    const head = this.byte();
    const n = head >> 4 === 15 ? this.varint() : head >> 4;
    const kind = head & 15;
    return Array.from({ length: Math.min(n, this.bytes.length) }, () =>
      kind < 3 ? this.byte() === 1 : this.value(kind),
    );
  }

  map() {
    const n = this.varint();
    const kinds = n ? this.byte() : 0;
    return Array.from({ length: Math.min(n, this.bytes.length) }, () => [
      this.value(kinds >> 4),
      this.value(kinds & 15),
    ]);
  }
}
