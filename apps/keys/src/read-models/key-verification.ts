import { timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import type { Clock } from '#kernel';
import { CLOCK, hashApiKey, parseApiKey, READ_DATABASE, UserDirectory } from '#platform';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import type { Refusal } from '../http/key.dto.js';
import { statusOf } from './keys.js';
import type { KeyTables } from './tables.js';

export type Verification =
  | { valid: true; key_id: string; user_id: string; tenant_id: string; scopes: string[] }
  | { valid: false; code: Refusal };

const refused = (code: Refusal): Verification => ({ valid: false, code });

const findKey = (database: ReadDatabase) =>
  prepareQuery(database, (db: Kysely<KeyTables>, slot: SlotOf<{ hash: string }>) =>
    db
      .selectFrom('keys')
      .select(['id', 'platform_id', 'tenant_id', 'user_id', 'key_hash', 'scopes', 'revoked', 'expires_at'])
      .where('key_hash', '=', slot('hash')),
  );

/** Tells whose key it is and whether it holds just now. */
@Injectable()
export class KeyVerification {
  private readonly find: ReturnType<typeof findKey>;

  constructor(
    @Inject(READ_DATABASE) database: ReadDatabase,
    private readonly users: UserDirectory,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.find = findKey(database);
  }

  /** A key of another platform is `unknown`, as one that does not exist; the tenant that asks does not matter. */
  async verify(platformId: string, rawKey: string, scope: string | undefined): Promise<Verification> {
    // The checksum tells a mistyped key without a look-up.
    if (parseApiKey(rawKey)?.kind !== 'user') return refused('unknown');
    const hash = hashApiKey(rawKey);
    const [key] = await this.find({ hash });
    if (!key || key.platform_id !== platformId || !equal(key.key_hash, hash)) return refused('unknown');
    const status = statusOf(key, this.clock.now().toISOString());
    if (status !== 'active') return refused(status);
    const user = await this.users.find(key.tenant_id, key.user_id);
    if (!user) return refused('revoked');
    if (user.status !== 'active') return refused('user_inactive');
    const scopes = JSON.parse(key.scopes) as string[];
    if (scope !== undefined && !scopes.includes(scope)) return refused('insufficient_scope');
    return { valid: true, key_id: key.id, user_id: key.user_id, tenant_id: key.tenant_id, scopes };
  }
}

const equal = (stored: string, presented: string): boolean => {
  const [one, other] = [Buffer.from(stored, 'hex'), Buffer.from(presented, 'hex')];
  return one.length === other.length && timingSafeEqual(one, other);
};
