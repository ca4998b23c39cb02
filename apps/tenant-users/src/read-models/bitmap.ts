const BITS = 32;

/** A set of small whole numbers, one bit each, that grows as needed. */
export class Bitmap {
  #words: Uint32Array;

  /** Room for the numbers below `size`. */
  constructor(size = 0) {
    this.#words = new Uint32Array(Math.ceil(size / BITS));
  }

  get count(): number {
    let count = 0;
    for (const word of this.#words) count += ones(word);
    return count;
  }

  add(number: number): void {
    const at = number >>> 5;
    if (at >= this.#words.length) this.#growTo(at + 1);
    this.#words[at] = this.#word(at) | (1 << (number & 31));
  }

  delete(number: number): void {
    const at = number >>> 5;
    if (at < this.#words.length) this.#words[at] = this.#word(at) & ~(1 << (number & 31));
  }

  has(number: number): boolean {
    return (this.#word(number >>> 5) & (1 << (number & 31))) !== 0;
  }

  /** What both hold, as a new set. */
  and(other: Bitmap): Bitmap {
    const both = new Bitmap(Math.min(this.#words.length, other.#words.length) * BITS);
    for (let at = 0; at < both.#words.length; at++) both.#words[at] = this.#word(at) & other.#word(at);
    return both;
  }

  /** The first of those that are at least `from`, in ascending order. */
  ascending(from: number, limit: number): number[] {
    const found: number[] = [];
    const end = this.#words.length * BITS;
    for (let number = from; number < end && found.length < limit; number++) {
      if ((number & 31) === 0 && this.#word(number >>> 5) === 0) number += BITS - 1;
      else if (this.has(number)) found.push(number);
    }
    return found;
  }

  /** The last of those that are at most `from`, in descending order. */
  descending(from: number, limit: number): number[] {
    const found: number[] = [];
    const start = Math.min(from, this.#words.length * BITS - 1);
    for (let number = start; number >= 0 && found.length < limit; number--) {
      if ((number & 31) === 31 && this.#word(number >>> 5) === 0) number -= BITS - 1;
      else if (this.has(number)) found.push(number);
    }
    return found;
  }

  #word(at: number): number {
    return this.#words[at] ?? 0;
  }

  /** By half as much again, so that adding one after the other copies each word a few times only. */
  #growTo(length: number): void {
    const grown = new Uint32Array(Math.max(length, Math.ceil(this.#words.length * 1.5)));
    grown.set(this.#words);
    this.#words = grown;
  }
}

/** Bits set in a 32-bit word: Hacker's Delight, 2nd edition, section 5-1. */
function ones(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
