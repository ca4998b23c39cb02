const START_BYTES = 8;
const SLOTS_A_NEEDLE = 4;
/** Looking a global up takes Jest longer than all the rest. */
const { imul } = Math;

/**
 * Finds any number of byte strings in one pass over the bytes, each under a number of the caller's: by the 8 bytes that
 * each begins with. Those that are shorter are looked for one by one.
 */
export class Needles {
  readonly #short: { bytes: Buffer; name: number }[] = [];
  /** All of them, one after the other: millions of small buffers would fill the heap. */
  #bytes = Buffer.alloc(2 ** 16);
  readonly #ends = [0];
  readonly #names: number[] = [];
  /** A hash table with linear probing: places in the list, from 1 on. */
  #slots = new Uint32Array();
  #starts = new Int32Array();

  add(bytes: Buffer, name: number): void {
    if (bytes.length < START_BYTES) {
      this.#short.push({ bytes, name });
      return;
    }
    const end = this.#ends.at(-1) as number;
    if (end + bytes.length > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length + bytes.length)]);
    }
    bytes.copy(this.#bytes, end);
    this.#ends.push(end + bytes.length);
    this.#names.push(name);
  }

  /** The numbers of those that occur in it. */
  in(haystack: Buffer): Set<number> {
    if (this.#slots.length === 0) this.#fill();
    const found = new Set(
      this.#short.filter(({ bytes }) => haystack.includes(bytes)).map(({ name }) => name),
    );
    const [slots, starts, mask] = [this.#slots, this.#starts, this.#slots.length - 1];
    let [low, high] = [0, 0];
    for (let end = 1; end <= haystack.length; end++) {
      low = (low >>> 8) | (high << 24);
      high = (high >>> 8) | ((haystack[end - 1] as number) << 24);
      for (let slot = hashOf(low, high) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
        const place = (slots[slot] as number) - 1;
        if (starts[2 * place] !== low || starts[2 * place + 1] !== high || end < START_BYTES) continue;
        const bytes = this.#bytes.subarray(this.#ends[place], this.#ends[place + 1]);
        const start = end - START_BYTES;
        if (bytes.equals(haystack.subarray(start, start + bytes.length)))
          found.add(this.#names[place] as number);
      }
    }
    return found;
  }

  #fill(): void {
    const count = this.#names.length;
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(1 + count * SLOTS_A_NEEDLE)));
    this.#starts = new Int32Array(2 * count);
    const mask = this.#slots.length - 1;
    for (let place = 0; place < count; place++) {
      const at = this.#ends[place] as number;
      const [low, high] = [this.#bytes.readInt32LE(at), this.#bytes.readInt32LE(at + 4)];
      this.#starts[2 * place] = low;
      this.#starts[2 * place + 1] = high;
      let slot = hashOf(low, high) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = place + 1;
    }
  }
}

function hashOf(low: number, high: number): number {
  const mixed = imul(low, 0x9e3779b1) ^ imul(high, 0x85ebca77);
  return imul(mixed ^ (mixed >>> 15), 0xc2b2ae3d) >>> 4;
}
