import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { isTenantryError } from '#kernel';
import { AppLogger, ReadModels } from '#platform';
import { Sealer } from '#privacy';
import type { ReadDatabase } from '#projections';
import { IndexedRows } from './indexed-rows.js';
import type { UserDirectoryTables, UserRow } from './tables.js';
import { USER_DIRECTORY, UserDirectoryProjection } from './user-directory.projection.js';
import { meets, type UserCondition, type UserFilter, UserFilters, type WantedUsers } from './user-filter.js';
import { UserIndex, type WantedPage } from './user-index.js';

/** Users of all tenants together that are kept in memory, at about 500 bytes each. */
const MAX_USERS_IN_MEMORY = 1_000_000;
/** What an index costs before it holds anyone, counted in users. */
const USERS_AN_INDEX = 20;
/** Opening fewer users than this for a first search is a matter of moments. */
const WARMED_FROM_USERS = 500;
const WARM_INTERVAL_MS = 3_000;

/** More users than this under one email are treated like any other set. */
const MAX_NAMED = 100;

const namesUsers = (condition: UserCondition): boolean =>
  'column' in condition && ['external_id_index', 'email_index'].includes(condition.column);

/** Which users a list shows, and how many there are. */
@Injectable()
export class UserLists implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly indexes = new LRUCache<string, UserIndex>({
    maxSize: MAX_USERS_IN_MEMORY,
    sizeCalculation: ({ size }) => Math.min(size + USERS_AN_INDEX, MAX_USERS_IN_MEMORY),
  });
  private replacements = 0;
  private readonly stopping = new AbortController();

  private readonly database: ReadDatabase;

  constructor(
    readModels: ReadModels,
    private readonly sealer: Sealer,
    private readonly filters: UserFilters,
    private readonly projection: UserDirectoryProjection,
    private readonly logger: AppLogger,
  ) {
    this.database = readModels.databaseOf(USER_DIRECTORY);
  }

  onApplicationBootstrap(): void {
    void this.keepWarm(this.stopping.signal);
  }

  onApplicationShutdown(): void {
    this.stopping.abort();
  }

  /**
   * Opening each user of a large tenant takes seconds: that is done ahead of the first search, from the largest
   * tenant down, and new users are taken in while what seals them is still in memory.
   */
  private async keepWarm(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await delay(WARM_INTERVAL_MS, undefined, { signal, ref: false });
        for (const tenantId of await this.largeTenants()) {
          const index = this.indexOf(tenantId);
          await index.warm(signal);
          this.keep(tenantId, index);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (isTenantryError(error) && error.code === 'projection_behind') continue;
        this.logger.failure(error, { part: 'user lists' });
      }
    }
  }

  /** As many of the largest ones as there is room for. */
  private async largeTenants(): Promise<string[]> {
    // Before the projection has started there are no tables.
    if (this.projection.replacements === 0) return [];
    const counts = this.reader().selectFrom('user_counts').selectAll();
    const large = counts.where('total', '>=', WARMED_FROM_USERS).orderBy('total', 'desc').limit(1_000);
    let room = MAX_USERS_IN_MEMORY;
    return (await large.execute()).flatMap(({ tenant_id, total }) => {
      room -= total;
      return room >= 0 ? [tenant_id] : [];
    });
  }

  /** One row more than the page's limit, where there are as many. */
  async find(
    tenantId: string,
    filter: UserFilter,
    page: WantedPage,
  ): Promise<{ rows: UserRow[]; total: number }> {
    const wanted = this.filters.of(tenantId, filter);
    if (wanted.conditions.length > 0 || wanted.prefix !== undefined) {
      return (await this.named(tenantId, wanted, page)) ?? this.matching(tenantId, wanted, page);
    }
    const counts = this.reader().selectFrom('user_counts').select('total').where('tenant_id', '=', tenantId);
    const rows = await this.page(tenantId, page);
    return { rows, total: (await counts.executeTakeFirst())?.total ?? 0 };
  }

  /** A filter that names one user, or a few by their email, needs no index; undefined for any other one. */
  private async named(tenantId: string, { conditions, prefix }: WantedUsers, page: WantedPage) {
    const name = conditions.find(namesUsers);
    if (!name || prefix !== undefined) return undefined;
    const rows = new IndexedRows(this.database, this.sealer, tenantId);
    const candidates = await rows.sequences(name, 0, MAX_NAMED);
    if (candidates.length === MAX_NAMED) return undefined;
    const users = await rows.at(candidates);
    const matching = users.filter(({ row, tags }) => conditions.every((it) => meets(it, row, tags)));
    const { limit, order, after } = page;
    const direction = order === 'created_at' ? 1 : -1;
    const rest = matching
      .map(({ row }) => row)
      .filter(({ sequence }) => after === undefined || (sequence - after) * direction > 0)
      .sort((one, other) => (one.sequence - other.sequence) * direction);
    return { rows: rest.slice(0, limit + 1), total: matching.length };
  }

  private async matching(tenantId: string, { conditions, prefix }: WantedUsers, page: WantedPage) {
    const index = this.indexOf(tenantId);
    const { sequences, total } = await index.find(conditions, prefix, page);
    this.keep(tenantId, index);
    return { rows: await this.rowsAt(tenantId, sequences), total };
  }

  /** Counts it anew: it may have grown. */
  private keep(tenantId: string, index: UserIndex): void {
    if (this.indexes.peek(tenantId) === index) this.indexes.set(tenantId, index);
  }

  private indexOf(tenantId: string): UserIndex {
    const { replacements } = this.projection;
    if (replacements !== this.replacements) this.indexes.clear();
    this.replacements = replacements;
    const known = this.indexes.get(tenantId);
    if (known) return known;
    const index = new UserIndex(new IndexedRows(this.database, this.sealer, tenantId));
    this.indexes.set(tenantId, index);
    return index;
  }

  private page(tenantId: string, { limit, after, order }: WantedPage): Promise<UserRow[]> {
    const users = this.reader().selectFrom('users').selectAll().where('tenant_id', '=', tenantId);
    const ascending = order === 'created_at';
    const rest = after === undefined ? users : users.where('sequence', ascending ? '>' : '<', after);
    return rest
      .orderBy('sequence', ascending ? 'asc' : 'desc')
      .limit(limit + 1)
      .execute();
  }

  /** In the order given; without those that are gone by now. */
  private async rowsAt(tenantId: string, sequences: number[]): Promise<UserRow[]> {
    if (sequences.length === 0) return [];
    const users = this.reader().selectFrom('users').selectAll().where('tenant_id', '=', tenantId);
    const found = await users.where('sequence', 'in', sequences).execute();
    const rows = new Map(found.map((row) => [row.sequence, row]));
    return sequences.flatMap((sequence) => rows.get(sequence) ?? []);
  }

  private reader() {
    return this.database.reader<UserDirectoryTables>();
  }
}
