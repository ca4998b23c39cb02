import { Inject, Injectable } from '@nestjs/common';
import { type Clock, streamName } from '#kernel';
import { CLOCK, newestFirst, type Owner, type Page, type PageQuery, ReadModels } from '#platform';
import { Sealer } from '#privacy';
import type { ReadDatabase } from '#projections';
import { endOf } from '../domain/keyring.decide.js';
import type { KeyResource } from '../http/key.dto.js';
import { KEY_REGISTRY } from './key-registry.projection.js';
import { KeyUses } from './key-uses.js';
import type { KeyRow, KeyTables } from './tables.js';

/** Reads the keys of users, never the keys themselves. */
@Injectable()
export class Keys {
  private readonly database: ReadDatabase;

  constructor(
    readModels: ReadModels,
    private readonly sealer: Sealer,
    private readonly uses: KeyUses,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.database = readModels.databaseOf(KEY_REGISTRY);
  }

  /** Newest first. */
  async list(owner: Owner, query: PageQuery): Promise<Page<KeyResource>> {
    const page = await newestFirst(this.keysOf(owner), query);
    const now = this.clock.now().toISOString();
    const uses = await this.uses.stored(page.data.map(({ id }) => id));
    const data = await Promise.all(page.data.map((row) => this.resource(row, uses.get(row.id) ?? null, now)));
    return { ...page, data };
  }

  /** Whether it is a key of this user that was revoked or has expired. */
  async hasEnded({ keyId, ...owner }: Owner & { keyId: string }, now: string): Promise<boolean> {
    const row = await this.keysOf(owner)
      .select(['revoked', 'expires_at', 'ends_at'])
      .where('id', '=', keyId)
      .executeTakeFirst();
    return row !== undefined && statusOf(row, now) !== 'active';
  }

  /** The keys of a closed keyring are nobody's: their user is gone. */
  private keysOf({ tenantId, userId }: Owner) {
    return this.database
      .reader<KeyTables>()
      .selectFrom('keys')
      .where('user_id', '=', userId)
      .where('tenant_id', '=', tenantId)
      .where('personal', 'is not', null);
  }

  private async resource(row: KeyRow, lastUsedAt: string | null, now: string): Promise<KeyResource> {
    const { id, user_id, key_prefix, scopes, created_at } = row;
    const stream = streamName('keyring', user_id);
    const personal = row.personal && (await this.sealer.openOrNull(row.personal, stream, { name: id }));
    return {
      id,
      user_id,
      name: personal ? String(personal.name) : null,
      key_prefix,
      scopes: JSON.parse(scopes) as string[],
      status: statusOf(row, now),
      created_at,
      expires_at: endOf(row),
      last_used_at: this.uses.latest(id, lastUsedAt),
    };
  }
}

/** Times compare as texts: all are in one form. A key that outlives its grace was ended, as by revoking it. */
export function statusOf(
  row: Pick<KeyRow, 'revoked' | 'expires_at' | 'ends_at'>,
  now: string,
): KeyResource['status'] {
  if (row.revoked === 1) return 'revoked';
  const end = endOf(row);
  if (end === null || end > now) return 'active';
  return end === row.expires_at ? 'expired' : 'revoked';
}
