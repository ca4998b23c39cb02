import type { PersonalData } from '../domain/tenant-user.js';
import { Bitmap } from './bitmap.js';

/** Short enough that an insertion moves little, long enough that there are few blocks to choose from. */
const MAX_BLOCK = 128;

/** Upper and lower case, and the ways to write one character, count as equal. */
export const normalized = (text: string): string => text.normalize('NFC').toLowerCase();

/** What a user is found by, of whatever is known; a term that begins another one adds nothing and is left out. */
export function termsOf(personal: Partial<PersonalData>): string[] {
  const { label, username, first_name, middle_name, last_name, email } = personal;
  const fullName = first_name && last_name ? `${first_name} ${last_name}` : null;
  const terms = [label, username, first_name, middle_name, last_name, fullName, email]
    .filter((term) => typeof term === 'string')
    .map(normalized)
    .sort(byCodeUnits);
  return terms.filter((term, at) => !terms[at + 1]?.startsWith(term));
}

const byCodeUnits = (one: string, other: string): number => (one < other ? -1 : Number(one > other));

/** Entries in the order of (term, user); two lists, since they take a third of the memory of a list of pairs. */
interface Block {
  terms: string[];
  users: number[];
}

/**
 * The terms of users, by number, in order: in memory alone, since they are personal data in clear.
 * Prefixes are compared by UTF-16 code units.
 */
export class SearchTerms {
  readonly #blocks: Block[] = [{ terms: [], users: [] }];
  readonly #termsOf: (readonly string[] | undefined)[] = [];

  /** Puts the terms in the place of those that the user had. */
  put(user: number, terms: readonly string[]): void {
    for (const term of this.#termsOf[user] ?? []) this.#remove(term, user);
    for (const term of terms) this.#insert(term, user);
    this.#termsOf[user] = terms.length > 0 ? terms : undefined;
  }

  /** The users with a term that begins with the prefix. */
  startingWith(prefix: string): Bitmap {
    const found = new Bitmap(this.#termsOf.length);
    const first = this.#blockOf(prefix, -1);
    for (let at = first; at < this.#blocks.length; at++) {
      const { terms, users } = this.#block(at);
      let place = at === first ? placeIn(this.#block(at), prefix, -1) : 0;
      // In order as they are, all match up to the last where that one does.
      const whole = terms.at(-1)?.startsWith(prefix);
      while (place < terms.length && (whole || terms[place]?.startsWith(prefix))) {
        found.add(users[place++] as number);
      }
      if (place < terms.length) break;
    }
    return found;
  }

  #insert(term: string, user: number): void {
    const at = this.#blockOf(term, user);
    const block = this.#block(at);
    const place = placeIn(block, term, user);
    block.terms.splice(place, 0, term);
    block.users.splice(place, 0, user);
    if (block.terms.length <= MAX_BLOCK) return;
    const half = MAX_BLOCK / 2;
    this.#blocks.splice(at + 1, 0, { terms: block.terms.splice(half), users: block.users.splice(half) });
  }

  #remove(term: string, user: number): void {
    const at = this.#blockOf(term, user);
    const { terms, users } = this.#block(at);
    const place = placeIn(this.#block(at), term, user);
    terms.splice(place, 1);
    users.splice(place, 1);
    if (terms.length === 0 && this.#blocks.length > 1) this.#blocks.splice(at, 1);
  }

  #block(at: number): Block {
    return this.#blocks[at] as Block;
  }

  /** The first block that doesn't end before the entry; the last one where all do. */
  #blockOf(term: string, user: number): number {
    let [low, high] = [0, this.#blocks.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const block = this.#block(middle);
      if (isBefore(block, block.terms.length - 1, term, user)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Where the entry stands in the block, or would. */
function placeIn(block: Block, term: string, user: number): number {
  let [low, high] = [0, block.terms.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(block, middle, term, user)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isBefore({ terms, users }: Block, place: number, term: string, user: number): boolean {
  const there = terms[place] as string;
  return there < term || (there === term && (users[place] as number) < user);
}
