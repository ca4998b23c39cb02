import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { type Kysely, sql } from 'kysely';
import { AppLogger, READ_DATABASE } from '#platform';
import { type Migration, migrate, type ReadDatabase } from '#projections';
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
  private dropped = 0;
  private flushing = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(READ_DATABASE) private readonly database: ReadDatabase,
    private readonly logger: AppLogger,
  ) {}

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
      // What was forgotten meanwhile must not come back.
      const some = uses.slice(from, from + ROWS_AT_ONCE).filter((use) => this.isNoted(use));
      if (some.length === 0) continue;
      await this.database.run([storing(this.database.reader<KeyTables>(), some)]);
      for (const use of some) if (this.isNoted(use)) this.noted.delete(use.key_id);
    }
  }

  /** Removes all that is known of a deleted user's keys. */
  async forget(userId: string): Promise<void> {
    for (const use of this.noted.values()) if (use.user_id === userId) this.noted.delete(use.key_id);
    const all = this.database.reader<KeyTables>().deleteFrom('key_uses');
    await this.database.run([all.where('user_id', '=', userId)]);
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

type Noted = Record<'column1' | 'column2' | 'column3', string>;

/** A key whose user was deleted since is left out. */
function storing(database: Kysely<KeyTables>, uses: readonly KeyUseRow[]) {
  const rows = uses.map((use) => sql`(${use.key_id}, ${use.user_id}, ${use.last_used_at})`);
  const noted = database
    // Both engines name the columns of such a list like this.
    .selectFrom(sql<Noted>`(values ${sql.join(rows)})`.as('noted'))
    .select(['column1', 'column2', 'column3'])
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('keys')
          .select('id')
          .whereRef('keys.id', '=', 'noted.column1')
          .where('personal', 'is not', null),
      ),
    );
  return database
    .insertInto('key_uses')
    .columns(['key_id', 'user_id', 'last_used_at'])
    .expression(noted)
    .onConflict((conflict) =>
      conflict
        .column('key_id')
        .doUpdateSet((row) => ({ last_used_at: row.ref('excluded.last_used_at') }))
        .whereRef('excluded.last_used_at', '>', 'key_uses.last_used_at'),
    );
}
