import { setTimeout as delay } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { decodeCursor, type ListOrder, pageOf } from '#kernel';
import type { ReadDatabase, TextQuery } from '#worker/projections';
import { type Open, openPersonal } from './personal-text.js';
import { type ListedUser, type UserKey, UserRows, type WantedPage } from './user-rows.js';
import { UserSearch, wordsOfUser } from './user-search.js';
import { UserTexts } from './user-texts.js';
import { type UserFilter, UserTokens, wordsOf } from './user-tokens.js';

const MAX_TOTALS = 1_000;
const REFRESH_INTERVAL_MS = 1_000;
const MAX_ATTEMPTS = 3;
const CHANGES_AT_ONCE = 1_024;

/** The name of the query that lists users. */
const utf8 = new TextEncoder();

export const LIST_USERS = 'list-users';

export interface ListUsers {
  limit: number;
  cursor?: string | undefined;
  order: ListOrder;
  filter: UserFilter;
}

export interface UserQueriesContext {
  database: ReadDatabase;
  open: Open;
  /** That of the projection. */
  secret: Uint8Array;
}

interface Found {
  /** One more than the page's limit, where there are as many. */
  keys: UserKey[];
  total: number;
}

/** Lists of users, and what is kept for them in memory. It loads nothing of the web side, so that any thread can run it. */
export class UserQueries {
  readonly #context: UserQueriesContext;
  readonly #rows: UserRows;
  readonly #tokens: UserTokens;
  readonly #search: UserSearch;
  readonly #totals = new LRUCache<string, { position: number; total: Promise<number> }>({ max: MAX_TOTALS });
  readonly #texts: UserTexts;
  /** The changes up to here have been followed. */
  #ordinal: number | undefined;

  constructor(context: UserQueriesContext) {
    this.#context = context;
    this.#rows = new UserRows(context.database);
    this.#tokens = new UserTokens(context.secret);
    this.#search = new UserSearch(this.#rows, context.open);
    this.#texts = new UserTexts(this.#rows, context.open);
  }

  /**
   * The body of the answer, JSON in UTF-8. Throws `invalid_input` for a cursor of another list, and `projection_behind` while a large
   * tenant is prepared for its first search.
   */
  async list(tenantId: string, wanted: ListUsers): Promise<Uint8Array> {
    const { limit, cursor, order, filter } = wanted;
    const after = cursor === undefined ? undefined : decodeCursor(cursor, order);
    for (let attempt = 1; ; attempt += 1) {
      const { keys, total } = await this.#find(tenantId, filter, { limit, after, order });
      const { rows, next } = pageOf(keys, limit, order);
      const users = await this.#texts.of(tenantId, rows);
      // Users may be deleted between the two reads; the page is then full of others.
      if (users.length < rows.length && attempt < MAX_ATTEMPTS) continue;
      return utf8.encode(`{"data":[${users.join()}],"next_cursor":${JSON.stringify(next)},"total":${total}}`);
    }
  }

  /** Prepares large tenants for their first search, and lets go of what has changed, until the signal. */
  async keepReady(signal: AbortSignal, failed: (error: unknown) => void): Promise<void> {
    while (!signal.aborted) {
      await delay(REFRESH_INTERVAL_MS, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) break;
      // The files may be closed under it at the end.
      await this.#refresh().catch((error) => signal.aborted || failed(error));
    }
    this.forget();
  }

  /** To be called where other tables took the place of those that were read. */
  forget(): void {
    this.#search.forget();
    this.#totals.clear();
    this.#texts.forget();
  }

  async #find(tenantId: string, filter: UserFilter, page: WantedPage): Promise<Found> {
    const tokens = this.#tokens.ofFilter(tenantId, filter);
    if (filter.id !== undefined) return this.#named(tenantId, filter.id, { tokens, q: filter.q }, page);
    const { total, position } = await this.#rows.tenant(tenantId);
    if (filter.q !== undefined) {
      const query = { words: wordsOf(filter.q), tags: tokens };
      return this.#searched(tenantId, query, page, position);
    }
    const keys = await this.#rows.page(tenantId, tokens, page);
    if (tokens.length === 0) return { keys, total };
    const count = () => this.#rows.count(tenantId, tokens);
    return { keys, total: await this.#counted(tokens.join(), position, count) };
  }

  /** One user at most: the one of that id, if the rest of the filter holds too. */
  async #named(
    tenantId: string,
    id: string,
    { tokens, q }: { tokens: readonly string[]; q: string | undefined },
    page: WantedPage,
  ): Promise<Found> {
    const [user] = await this.#rows.named(tenantId, id, tokens);
    if (!user || !(await this.#isFound(user, q))) return { keys: [], total: 0 };
    const { after, order } = page;
    const isPassed =
      after !== undefined && (order === 'created_at' ? user.sequence <= after : user.sequence >= after);
    return { keys: isPassed ? [] : [user], total: 1 };
  }

  async #isFound(user: ListedUser, q: string | undefined): Promise<boolean> {
    if (q === undefined) return true;
    const wanted = wordsOf(q);
    const last = wanted.pop();
    const words = wordsOfUser((await openPersonal(this.#context.open, user)) ?? {});
    return (
      last !== undefined &&
      wanted.every((word) => words.includes(word)) &&
      words.some((word) => word.startsWith(last))
    );
  }

  async #searched(tenantId: string, query: TextQuery, page: WantedPage, position: number): Promise<Found> {
    if (query.words.length === 0) return { keys: [], total: 0 };
    const descending = page.order === '-created_at';
    const { after = descending ? Number.MAX_SAFE_INTEGER : 0 } = page;
    const { sequences, total } = await this.#search.ask(tenantId, (index) => ({
      sequences: index.page(query, { after, limit: page.limit + 1, descending }),
      total: this.#counted(JSON.stringify([tenantId, query]), position, async () => index.count(query)),
    }));
    const keys = new Map((await this.#rows.keysAt(tenantId, sequences)).map((key) => [key.sequence, key]));
    // One that is gone by now still counts for where the next page begins.
    return {
      keys: sequences.map((sequence) => keys.get(sequence) ?? { sequence, position: 0 }),
      total: await total,
    };
  }

  /** Counted once while nothing of the tenant changes. */
  #counted(question: string, position: number, count: () => Promise<number>): Promise<number> {
    const known = this.#totals.get(question);
    if (known?.position === position) return known.total;
    const total = count();
    this.#totals.set(question, { position, total });
    total.catch(() => this.#totals.delete(question));
    return total;
  }

  async #refresh(): Promise<void> {
    this.#ordinal ??= (await this.#rows.changes()).last;
    for (let more = true; more; ) {
      const changes = await this.#rows.changesAfter(this.#ordinal, CHANGES_AT_ONCE);
      // Where older changes are not kept any more, anyone may have changed.
      if (changes[0] && changes[0].ordinal !== this.#ordinal + 1) this.#texts.forget();
      this.#texts.follow(changes);
      await this.#search.follow(changes);
      this.#ordinal = changes.at(-1)?.ordinal ?? this.#ordinal;
      more = changes.length === CHANGES_AT_ONCE;
    }
    await this.#search.prepareNext();
  }
}
