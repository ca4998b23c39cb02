import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { AppLogger, READ_DATABASE } from '#platform';
import { type Migration, migrate, type ReadDatabase } from '#projections';
import { KEY_REGISTRY } from './key-registry.projection.js';
import type { KeyTables, KeyUseRow } from './tables.js';

const FLUSH_INTERVAL_MS = 5_000;
/** Some 10 MB. */
const MAX_NOTED = 50_000;

/** Few enough not to be felt by the requests that wait for the event loop. */
const ROWS_AT_ONCE = 256;

const MIGRATIONS: Migration[] = [
  async ({ schema }) => {
    await schema
      .createTable('key_uses')
      .ifNotExists()
      .addColumn('key_id', 'text', (column) => column.primaryKey())
      .addColumn('user_id', 'text', (column) => column.notNull())
      .addColumn('last_used_at', 'text', (column) => column.notNull())
      .execute();
    const index = schema.createIndex('key_uses_of_user').ifNotExists();
    await index.on('key_uses').column('user_id').execute();
  },
];

/**
 * When keys were last valid. A verification only notes it in memory; what was noted is written some seconds later,
 * and when the service stops. So a crash forgets the uses of the last 5 seconds, and they are missing from the
 * lists of other processes as long. While the read database takes none, the latest uses of 50,000 keys are kept. The
 * table stands beside the projections: no rebuild touches it, and as uses are not in the log, it is lost with the read
 * database.
 */
@Injectable()
export class KeyUses implements OnModuleInit, OnApplicationShutdown {
  /** In the order of the uses. */
  private readonly noted = new Map<string, KeyUseRow>();
  private readonly database: ReadDatabase;
  private readonly keys: ReadDatabase;
  private dropped = 0;
  private flushing = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(READ_DATABASE) database: ReadDatabase,
    private readonly logger: AppLogger,
  ) {
    this.database = database.of('key-uses');
    this.keys = database.of(KEY_REGISTRY);
  }

  async onModuleInit(): Promise<void> {
    await migrate(this.database, 'key uses', MIGRATIONS);
    this.timer = setInterval(() => {
      if (!this.flushing) void this.flushAndTell();
    }, FLUSH_INTERVAL_MS).unref();
  }

  /** Runs when the last request has been answered, before the read database is closed. */
  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flushAndTell();
  }

  /** `at` is RFC 3339 UTC with milliseconds. */
  note(key: { id: string; userId: string }, at: string): void {
    const last = this.noted.get(key.id);
    if (last && last.last_used_at >= at) return;
    this.noted.delete(key.id);
    this.noted.set(key.id, { key_id: key.id, user_id: key.userId, last_used_at: at });
    if (this.noted.size > MAX_NOTED) this.dropOldest();
  }

  /** The later of what is stored and what is not stored yet. */
  latest(keyId: string, stored: string | null): string | null {
    const noted = this.noted.get(keyId)?.last_used_at ?? null;
    if (noted === null || stored === null) return noted ?? stored;
    return noted > stored ? noted : stored;
  }

  /** Stores what was noted; what cannot be stored now stays for the next time. */
  async flush(): Promise<void> {
    const uses = [...this.noted.values()];
    for (let from = 0; from < uses.length; from += ROWS_AT_ONCE) {
      await this.store(uses.slice(from, from + ROWS_AT_ONCE));
    }
  }

  /** Removes all that is known of a deleted user's keys. */
  async forget(userId: string): Promise<void> {
    for (const use of this.noted.values()) if (use.user_id === userId) this.noted.delete(use.key_id);
    const all = this.database.reader<KeyTables>().deleteFrom('key_uses');
    await this.database.run([all.where('user_id', '=', userId)]);
  }

  /** Of those of the keys that have one. */
  async stored(keyIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (keyIds.length === 0) return new Map();
    const uses = this.database.reader<KeyTables>().selectFrom('key_uses').select(['key_id', 'last_used_at']);
    const found = await uses.where('key_id', 'in', [...keyIds]).execute();
    return new Map(found.map(({ key_id, last_used_at }) => [key_id, last_used_at]));
  }

  /** A key whose user was deleted since is left out. */
  private async store(uses: readonly KeyUseRow[]): Promise<void> {
    const ids = uses.map((use) => use.key_id);
    const keys = this.keys.reader<KeyTables>().selectFrom('keys').select('id').where('id', 'in', ids);
    const found = await keys.where('personal', 'is not', null).execute();
    const living = new Set(found.map(({ id }) => id));
    // What was forgotten meanwhile must not come back; what is forgotten from here on is removed after this write.
    const rows = uses.filter((use) => living.has(use.key_id) && this.isNoted(use));
    if (rows.length > 0) await this.database.run([storing(this.database.reader(), rows)]);
    for (const use of uses) if (this.isNoted(use)) this.noted.delete(use.key_id);
  }

  private isNoted(use: KeyUseRow): boolean {
    return this.noted.get(use.key_id) === use;
  }

  private dropOldest(): void {
    for (const keyId of this.noted.keys()) {
      this.noted.delete(keyId);
      this.dropped++;
      return;
    }
  }

  private async flushAndTell(): Promise<void> {
    this.flushing = true;
    try {
      await this.flush();
    } catch (error) {
      this.logger.failure(error, { part: 'key uses' });
    }
    this.flushing = false;
    if (this.dropped > 0) this.logger.warn({ dropped: this.dropped }, 'uses of keys were not stored in time');
    this.dropped = 0;
  }
}

const storing = (database: Kysely<KeyTables>, rows: readonly KeyUseRow[]) =>
  database
    .insertInto('key_uses')
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .column('key_id')
        .doUpdateSet((row) => ({ last_used_at: row.ref('excluded.last_used_at') }))
        .whereRef('excluded.last_used_at', '>', 'key_uses.last_used_at'),
    );
