import { Injectable } from '@nestjs/common';
import { notFound, streamName } from '#kernel';
import { newestFirst, type Owner, type Page, type PageQuery, ReadModels } from '#platform';
import { Sealer } from '#privacy';
import type { ReadDatabase } from '#projections';
import type { Secret } from '../domain/vault.js';
import type { SecretEntry, SecretResource } from '../http/vault.dto.js';
import { SECRETS } from './secrets.projection.js';
import type { SecretRow, VaultTables } from './tables.js';

/** Reads the secrets of users. */
@Injectable()
export class Secrets {
  private readonly database: ReadDatabase;

  constructor(
    readModels: ReadModels,
    private readonly sealer: Sealer,
  ) {
    this.database = readModels.databaseOf(SECRETS);
  }

  /** Names and times, never values; newest first. */
  async list(owner: Owner, query: PageQuery): Promise<Page<SecretEntry>> {
    const page = await newestFirst(this.secretsOf(owner), query);
    const data = await Promise.all(
      page.data.map(async ({ version, created_at, updated_at, ...row }) => {
        const secret = await this.sealer.openOrNull(...placed(owner, row));
        return { name: secret && String(secret.name), version, created_at, updated_at };
      }),
    );
    return { ...page, data };
  }

  async get(owner: Owner, name: string, nameIndex: string): Promise<SecretResource | undefined> {
    const row = await this.secretsOf(owner)
      .select(['name_index', 'sealed', 'updated_at'])
      .where('name_index', '=', nameIndex)
      .executeTakeFirst();
    if (!row) return undefined;
    const secret = (await this.sealer.open(...placed(owner, row))) as Secret | null;
    // The key of a vault is destroyed only after its user was deleted.
    if (!secret) throw notFound('user');
    // What was sealed in the first format was not bound to its name.
    if (secret.name !== name) throw new Error('a secret stands in the place of another one');
    const { value } = secret;
    return { name, value, updated_at: row.updated_at };
  }

  private secretsOf({ tenantId, userId }: Owner) {
    return this.database
      .reader<VaultTables>()
      .selectFrom('secrets')
      .where('user_id', '=', userId)
      .where('tenant_id', '=', tenantId);
  }
}

const placed = ({ userId }: Owner, row: Pick<SecretRow, 'name_index' | 'sealed'>) =>
  [row.sealed, streamName('vault', userId), { name: row.name_index }] as const;
