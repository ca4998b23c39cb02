import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import { READ_DATABASE } from '#platform';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import { KeyRegistryProjection } from './key-registry.projection.js';
import type { KeyRow, KeyTables } from './tables.js';

const MAX_ENTRIES = 50_000;

/** A key as verifying needs it. */
export interface KnownKey extends Pick<KeyRow, 'revoked' | 'expires_at' | 'ends_at'> {
  id: string;
  platformId: string;
  tenantId: string;
  userId: string;
  /** SHA-256. */
  hash: Buffer;
  scopes: readonly string[];
}

const findKey = (database: ReadDatabase) =>
  prepareQuery(database, (db: Kysely<KeyTables>, slot: SlotOf<{ hash: string }>) =>
    db.selectFrom('keys').selectAll().where('key_hash', '=', slot('hash')),
  );

/**
 * Finds keys by their hash. What was read is kept until the registry changes in any way, so that a key that was
 * revoked is not taken for a live one: whoever waits for the registry comes after that. Another process learns of the
 * change when its own registry has followed the log so far.
 */
@Injectable()
export class KnownKeys {
  private readonly entries = new LRUCache<string, KnownKey>({ max: MAX_ENTRIES });
  private readonly read: ReturnType<typeof findKey>;
  private generation = 0;

  constructor(
    @Inject(READ_DATABASE) database: ReadDatabase,
    private readonly registry: KeyRegistryProjection,
  ) {
    this.read = findKey(database);
  }

  async find(hash: string): Promise<KnownKey | undefined> {
    const { generation } = this.registry;
    if (generation !== this.generation) {
      this.entries.clear();
      this.generation = generation;
    }
    const known = this.entries.get(hash);
    if (known) return known;
    const [row] = await this.read({ hash });
    const found = row && knownKey(row);
    // What was read while the registry changed may be out of date already.
    if (found && generation === this.registry.generation) this.entries.set(hash, found);
    return found;
  }
}

const knownKey = ({ id, revoked, expires_at, ends_at, ...row }: KeyRow): KnownKey => ({
  id,
  platformId: row.platform_id,
  tenantId: row.tenant_id,
  userId: row.user_id,
  hash: Buffer.from(row.key_hash, 'hex'),
  scopes: JSON.parse(row.scopes) as string[],
  revoked,
  expires_at,
  ends_at,
});
