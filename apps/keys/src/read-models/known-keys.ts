import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { ProjectionCache, READ_DATABASE, ReadModels } from '#platform';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import { KEY_REGISTRY } from './key-registry.projection.js';
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
  private readonly keys: ProjectionCache<KnownKey>;
  private readonly read: ReturnType<typeof findKey>;

  constructor(@Inject(READ_DATABASE) database: ReadDatabase, readModels: ReadModels) {
    this.read = findKey(database.of(KEY_REGISTRY));
    this.keys = new ProjectionCache([readModels.changesOf(KEY_REGISTRY)], MAX_ENTRIES);
  }

  find(hash: string): Promise<KnownKey | undefined> {
    return this.keys.get(hash, async () => {
      const [row] = await this.read({ hash });
      return row && knownKey(row);
    });
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
