import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { Aggregates } from '#event-store';
import type { Clock } from '#kernel';
import { CLOCK, ProjectionCache, READ_DATABASE, ReadModels } from '#platform';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import { keyring } from '../domain/keyring.decide.js';
import { KEY_REGISTRY } from './key-registry.projection.js';
import type { KeyRow, KeyTables } from './tables.js';

const MAX_ENTRIES = 50_000;
const REGISTRIES = [KEY_REGISTRY];

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
 * change when its own registry has followed the log so far. While the registry is behind what was answered, it only
 * tells whose key it is, which never changes, and the keyring tells whether it still holds.
 */
@Injectable()
export class KnownKeys {
  private readonly keys: ProjectionCache<KnownKey>;
  private readonly findRow: ReturnType<typeof findKey>;

  constructor(
    @Inject(READ_DATABASE) database: ReadDatabase,
    private readonly readModels: ReadModels,
    private readonly aggregates: Aggregates,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.findRow = findKey(database.of(KEY_REGISTRY));
    this.keys = new ProjectionCache([readModels.changesOf(KEY_REGISTRY)], MAX_ENTRIES);
  }

  /** Throws `unavailable` where nobody can tell. */
  find(hash: string): Promise<KnownKey | undefined> {
    if (!this.readModels.areCurrent(REGISTRIES)) return this.recall(hash);
    return this.keys.get(hash, () => this.read(hash));
  }

  private async read(hash: string): Promise<KnownKey | undefined> {
    const [row] = await this.findRow({ hash });
    return row && knownKey(row);
  }

  private async recall(hash: string): Promise<KnownKey | undefined> {
    const key = await this.read(hash);
    if (!key) {
      this.readModels.require(KEY_REGISTRY);
      return undefined;
    }
    const { state } = await this.aggregates.load(keyring, key.userId);
    const held = state.lifecycle === 'open' ? state.keys.get(key.id) : undefined;
    if (held) return { ...key, ends_at: held.ends_at ?? key.ends_at };
    // The keyring forgets keys of any end; one whose time was up had ended by that.
    const isOver = key.expires_at !== null && key.expires_at <= this.clock.now().toISOString();
    return isOver ? key : { ...key, revoked: 1 };
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
