import { Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { type RecordedEvent, streamId, streamName } from '#kernel';
import { LogAnswers, type PlatformAccess, ReadModels } from '#platform';
import type { CreateIndex, Projection, ReadDatabase } from '#projections';
import type { DeletionEvent } from '../domain/deletion.js';
import type { DeletionResource } from '../http/user.dto.js';
import type { DeletionTables, TenantDeletionTables } from './tables.js';
import { TENANT_DELETIONS } from './tenant-deletions.js';

export const DELETIONS = 'deletions';

type Participants = DeletionResource['participants'];

/** Receipts of deletions: they stay for ever and hold nothing personal. */
@Injectable()
export class DeletionsProjection implements Projection<DeletionTables> {
  readonly name = DELETIONS;
  readonly version = 1;
  readonly categories = ['deletion'];
  readonly tables = ['deletions'] as const;

  async createTables({ schema }: Kysely<DeletionTables>, createIndex: CreateIndex): Promise<void> {
    await schema
      .createTable('deletions')
      .addColumn('user_id', 'text', (column) => column.primaryKey())
      .addColumn('tenant_id', 'text', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('requested_at', 'text', (column) => column.notNull())
      .addColumn('participants', 'text', (column) => column.notNull())
      .addColumn('key_destroyed_at', 'text')
      .addColumn('completed_at', 'text')
      .addColumn('position', 'bigint', (column) => column.notNull())
      .execute();
    await createIndex('deletions', ['status', 'requested_at']);
  }

  async apply(transaction: Kysely<DeletionTables>, event: RecordedEvent): Promise<void> {
    const userId = streamId(event.stream);
    const position = Number(event.position);
    const { type, data } = event as unknown as DeletionEvent;
    if (type === 'deletion.requested.v1') {
      const participants: Participants = data.participants.map((name) => ({
        name,
        status: 'pending',
        confirmed_at: null,
        removed: {},
      }));
      const { tenant_id, requested_at } = data;
      await transaction
        .insertInto('deletions')
        .values({
          user_id: userId,
          tenant_id,
          status: 'pending',
          requested_at,
          participants: JSON.stringify(participants),
          key_destroyed_at: null,
          completed_at: null,
          position,
        })
        .execute();
      return;
    }
    const changes = await this.changes(transaction, userId, { type, data } as Exclude<
      DeletionEvent,
      { type: 'deletion.requested.v1' }
    >);
    await transaction
      .updateTable('deletions')
      .set({ ...changes, position })
      .where('user_id', '=', userId)
      .execute();
  }

  private async changes(
    transaction: Kysely<DeletionTables>,
    userId: string,
    event: Exclude<DeletionEvent, { type: 'deletion.requested.v1' }>,
  ): Promise<Partial<DeletionTables['deletions']>> {
    switch (event.type) {
      case 'deletion.participant-confirmed.v1': {
        const row = await transaction
          .selectFrom('deletions')
          .select('participants')
          .where('user_id', '=', userId)
          .executeTakeFirstOrThrow();
        const { participant, removed, confirmed_at } = event.data;
        const participants = (JSON.parse(row.participants) as Participants).map((one) =>
          one.name === participant ? { ...one, status: 'confirmed' as const, confirmed_at, removed } : one,
        );
        return { participants: JSON.stringify(participants) };
      }
      case 'deletion.personal-data-key-destroyed.v1':
        return { key_destroyed_at: event.data.destroyed_at };
      case 'deletion.completed.v1':
        return { status: 'completed', completed_at: event.data.completed_at };
      default:
        throw new Error(`${(event as { type: string }).type} is not known to ${this.name}`);
    }
  }
}

@Injectable()
export class Deletions {
  private readonly database: ReadDatabase;
  private readonly withTenants: ReadDatabase;

  constructor(
    readModels: ReadModels,
    private readonly projection: DeletionsProjection,
    private readonly log: LogAnswers,
  ) {
    this.database = readModels.databaseOf(DELETIONS);
    this.withTenants = readModels.databaseOf(DELETIONS, TENANT_DELETIONS);
  }

  async get(
    tenantId: string,
    userId: string,
    database = this.database,
  ): Promise<DeletionResource | undefined> {
    const row = await database
      .reader<DeletionTables>()
      .selectFrom('deletions')
      .selectAll()
      .where('user_id', '=', userId)
      .where('tenant_id', '=', tenantId)
      .executeTakeFirst();
    return (
      row && {
        user_id: row.user_id,
        status: row.status,
        requested_at: row.requested_at,
        participants: JSON.parse(row.participants) as Participants,
        personal_data_key_destroyed_at: row.key_destroyed_at,
        completed_at: row.completed_at,
        position: String(row.position),
      }
    );
  }

  /** As the log has it. */
  latest(tenantId: string, userId: string): Promise<DeletionResource | undefined> {
    const streams = [streamName('deletion', userId)];
    return this.log.replay(this.projection, streams, (database) => this.get(tenantId, userId, database));
  }

  /**
   * Where to look for what is left of a user: the tenant that is acted in, or one of the platform that was deleted
   * with the user in it, which only a key of the whole platform may look into.
   */
  async tenantOf({ platformId, onlyTenantId, tenant }: PlatformAccess, userId: string): Promise<string> {
    if (onlyTenantId !== null) return tenant.id;
    const gone = await this.withTenants
      .reader<DeletionTables & TenantDeletionTables>()
      .selectFrom('deletions')
      .innerJoin('tenant_deletions', 'tenant_deletions.tenant_id', 'deletions.tenant_id')
      .select('deletions.tenant_id')
      .where('deletions.user_id', '=', userId)
      .where('tenant_deletions.platform_id', '=', platformId)
      .executeTakeFirst();
    return gone?.tenant_id ?? tenant.id;
  }

  /** Users whose deletion was requested before `before` and is still pending, oldest first. */
  async laggards(before: string, limit: number): Promise<string[]> {
    const rows = await this.reader()
      .selectFrom('deletions')
      .select('user_id')
      .where('status', '=', 'pending')
      .where('requested_at', '<', before)
      .orderBy('requested_at')
      .limit(limit)
      .execute();
    return rows.map((row) => row.user_id);
  }

  private reader() {
    return this.database.reader<DeletionTables>();
  }
}
