import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { ListOrder } from '#platform';
import { Bitmap } from './bitmap.js';
import type { ChangedUser, IndexedRows } from './indexed-rows.js';
import { SearchTerms, termsOf } from './search-terms.js';
import { keyOf, meets, type UserCondition } from './user-filter.js';

const LIMITS = {
  /** A smaller set is read again whenever it is asked for. */
  keptFrom: 1_000,
  changesAtOnce: 256,
};
const MAX_KEPT = 64;

/** Rows read in one turn of the event loop: a millisecond or two. */
const SEQUENCES_AT_ONCE = 2_000;
const OPENED_AT_ONCE = 8;
/** Between two turns of what nobody waits for: others have most of the event loop. */
const LEISURE_MS = 12;

/** Something that was read from the tables and follows their changes. */
interface Followed {
  /** It holds every change up to here, perhaps some later ones. */
  position: number;
  /** The user as it is now; undefined once it is gone. */
  apply(ordinal: number, user: ChangedUser | undefined): void;
}

interface MatchingUsers extends Followed {
  members: Bitmap;
}

interface Search extends Followed {
  terms: SearchTerms;
}

export interface WantedPage {
  limit: number;
  /** The sequence of the last user of the page before. */
  after: number | undefined;
  order: ListOrder;
}

/**
 * The users of one tenant by what lists ask for, in memory: users are numbered in the order of their creation, and
 * who meets a condition is a bit each. Nothing is told to it: each question first reads the rows that changed since,
 * so it is never behind the tables, whichever process writes them.
 */
export class UserIndex {
  /** The sequence of each number, ascending; those of users that are gone stay. */
  readonly #sequences: number[] = [];
  readonly #kept = new LRUCache<string, MatchingUsers>({ max: MAX_KEPT });
  readonly #loading = new Map<string, Promise<MatchingUsers>>();
  #search: Promise<Search> | undefined;
  /** Somebody waits for the search to be ready. */
  #urgent = false;

  constructor(
    private readonly rows: Pick<IndexedRows, 'position' | 'sequences' | 'personal' | 'changes'>,
    private readonly limits = LIMITS,
  ) {}

  /** How many users were ever numbered. */
  get size(): number {
    return this.#sequences.length;
  }

  /** The sequences of a page of the users that meet all conditions, one more than its limit, and how many do. */
  async find(
    conditions: readonly UserCondition[],
    prefix: string | undefined,
    page: WantedPage,
  ): Promise<{ sequences: number[]; total: number }> {
    const sets = await Promise.all(conditions.map((condition) => this.#usersMeeting(condition)));
    const search = prefix === undefined ? undefined : await this.#searchable({ urgent: true });
    await this.#catchUp(search ? [...sets, search] : sets);
    const bitmaps = sets.map(({ members }) => members);
    if (search && prefix !== undefined) bitmaps.push(search.terms.startingWith(prefix));
    const matching = bitmaps.reduce((one, other) => one.and(other));
    return { sequences: this.#page(matching, page), total: matching.count };
  }

  /** Makes prefixes ready to be searched for, at leisure, or follows what changed since. */
  async warm(signal: AbortSignal): Promise<void> {
    await this.#catchUp([await this.#searchable({ urgent: false, signal })]);
  }

  #page(matching: Bitmap, { limit, after, order }: WantedPage): number[] {
    const asked = limit + 1;
    const found =
      order === 'created_at'
        ? matching.ascending(after === undefined ? 0 : this.#firstFrom(after + 1), asked)
        : matching.descending((after === undefined ? this.size : this.#firstFrom(after)) - 1, asked);
    return found.map((ordinal) => this.#sequences[ordinal] as number);
  }

  async #usersMeeting(condition: UserCondition): Promise<MatchingUsers> {
    const key = keyOf(condition);
    const known = this.#kept.get(key) ?? this.#loading.get(key);
    if (known) return known;
    const loading = this.#load(condition).finally(() => this.#loading.delete(key));
    this.#loading.set(key, loading);
    const loaded = await loading;
    if (loaded.members.count >= this.limits.keptFrom) this.#kept.set(key, loaded);
    return loaded;
  }

  async #load(condition: UserCondition): Promise<MatchingUsers> {
    // Taken first: what changes while it loads is caught up with afterwards.
    const position = await this.rows.position();
    await this.#number();
    const members = new Bitmap(this.size);
    let last = 0;
    for (let more = true; more; ) {
      const sequences = await this.rows.sequences(condition, last, SEQUENCES_AT_ONCE);
      for (const sequence of sequences) {
        const ordinal = this.#ordinalOf(sequence);
        if (ordinal !== undefined) members.add(ordinal);
      }
      last = sequences.at(-1) ?? last;
      more = sequences.length === SEQUENCES_AT_ONCE;
      if (more) await nextTurn();
    }
    return {
      position,
      members,
      apply: (ordinal, user) =>
        user && meets(condition, user.row, user.tags) ? members.add(ordinal) : members.delete(ordinal),
    };
  }

  /** Opens every user of the tenant the first time; a failure leaves it to the next question. */
  #searchable({ urgent, signal }: { urgent: boolean; signal?: AbortSignal }): Promise<Search> {
    this.#urgent ||= urgent;
    this.#search ??= this.#loadSearch(signal).catch((error) => {
      this.#search = undefined;
      throw error;
    });
    return this.#search;
  }

  async #loadSearch(signal?: AbortSignal): Promise<Search> {
    const position = await this.rows.position();
    await this.#number();
    const terms = new SearchTerms();
    let last = 0;
    for (let more = true; more; ) {
      const users = await this.rows.personal(last, OPENED_AT_ONCE);
      for (const { sequence, personal } of users) {
        const ordinal = this.#ordinalOf(sequence);
        if (ordinal !== undefined) terms.put(ordinal, termsOf(personal));
      }
      last = users.at(-1)?.sequence ?? last;
      more = users.length === OPENED_AT_ONCE;
      await (this.#urgent ? nextTurn() : delay(LEISURE_MS, undefined, { signal }));
    }
    const apply = (ordinal: number, user: ChangedUser | undefined) =>
      terms.put(ordinal, termsOf(user?.personal ?? {}));
    return { position, terms, apply };
  }

  /** Applies what changed since. Of two that catch up at once one may find the other's work done, and looks again. */
  async #catchUp(followed: readonly Followed[]): Promise<void> {
    const opened = followed.some((it) => 'terms' in it);
    for (let more = true; more; ) {
      const positions = followed.map(({ position }) => position);
      const changes = await this.rows.changes(Math.min(...positions), {
        limit: this.limits.changesAtOnce,
        opened,
      });
      const last = changes.at(-1)?.position;
      if (last === undefined) return;
      await this.#number();
      const overtaken = followed.some(({ position }, at) => position !== positions[at]);
      for (const it of followed) {
        for (const { sequence, position, user } of changes) {
          const ordinal = this.#ordinalOf(sequence);
          if (ordinal !== undefined && position > it.position) it.apply(ordinal, user);
        }
        it.position = Math.max(it.position, last);
      }
      more = overtaken || changes.length === this.limits.changesAtOnce;
      if (more) await nextTurn();
    }
  }

  /** Numbers the users that are new. They come in the order of their sequences. */
  async #number(): Promise<void> {
    for (let more = true; more; ) {
      const sequences = await this.rows.sequences(undefined, this.#last, SEQUENCES_AT_ONCE);
      for (const sequence of sequences) if (sequence > this.#last) this.#sequences.push(sequence);
      more = sequences.length === SEQUENCES_AT_ONCE;
      if (more) await nextTurn();
    }
  }

  get #last(): number {
    return this.#sequences.at(-1) ?? 0;
  }

  /** Undefined for a user that was gone before it was numbered. */
  #ordinalOf(sequence: number): number | undefined {
    const ordinal = this.#firstFrom(sequence);
    return this.#sequences[ordinal] === sequence ? ordinal : undefined;
  }

  #firstFrom(sequence: number): number {
    let [low, high] = [0, this.#sequences.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sequences[middle] as number) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
