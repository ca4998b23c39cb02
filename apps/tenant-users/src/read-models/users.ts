import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { isTenantryError } from '#kernel';
import { AppLogger, ReadModels } from '#platform';
import { Sealer } from '#privacy';
import type { ReadDatabase } from '#projections';
import type { UserResource } from '../http/user.dto.js';
import { openPersonal } from './personal-text.js';
import type { UserDirectoryTables, UserRow } from './tables.js';
import { USER_DIRECTORY } from './user-directory.projection.js';
import { type ListUsers, UserQueries } from './user-queries.js';
import { rowResource } from './user-resource.js';
import { UserRows } from './user-rows.js';

export type UserPlace = Pick<UserRow, 'id' | 'sequence'>;

/** Reads users; each look-up is keyed by (tenant, id). */
@Injectable()
export class Users implements OnModuleInit, OnApplicationShutdown {
  private readonly database: ReadDatabase;
  private readonly rows: UserRows;
  private readonly stopping = new AbortController();
  private keepingReady: Promise<void> | undefined;

  constructor(
    private readonly sealer: Sealer,
    private readonly queries: UserQueries,
    private readonly readModels: ReadModels,
    private readonly logger: AppLogger,
  ) {
    this.database = readModels.databaseOf(USER_DIRECTORY);
    this.rows = new UserRows(this.database);
  }

  onModuleInit(): void {
    // At the start too: there are tables from then on.
    this.readModels.onReplaced(USER_DIRECTORY, () => {
      this.queries.forget();
      this.keepingReady ??= this.queries.keepReady(this.stopping.signal, (error) => this.failed(error));
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.keepingReady;
  }

  async get(tenantId: string, userId: string): Promise<UserResource | undefined> {
    const [row] = await this.rows.named(tenantId, userId, []);
    return row && rowResource(row, await openPersonal((...sealed) => this.sealer.open(...sealed), row));
  }

  /** Users of the tenant in the order of their creation, whatever the tenant's state. */
  page(tenantId: string, { after, limit }: { after: number; limit: number }): Promise<UserPlace[]> {
    return this.reader()
      .selectFrom('users')
      .select(['id', 'sequence'])
      .where('tenant_id', '=', tenantId)
      .where('sequence', '>', after)
      .orderBy('sequence')
      .limit(limit)
      .execute();
  }

  /** Whether any user of any tenant is governed by this kit. */
  async haveAccountKit(kitId: string): Promise<boolean> {
    const kit = this.reader().selectFrom('kit_users').select('total').where('account_kit_id', '=', kitId);
    return ((await kit.executeTakeFirst())?.total ?? 0) > 0;
  }

  list(tenantId: string, wanted: ListUsers): Promise<{ json: string }> {
    return this.queries.list(tenantId, wanted);
  }

  private failed(error: unknown): void {
    // Whoever reads them is told.
    if (isTenantryError(error) && error.code === 'projection_behind') return;
    this.logger.failure(error, { part: 'lists of users' });
  }

  private reader() {
    return this.database.reader<UserDirectoryTables>();
  }
}
