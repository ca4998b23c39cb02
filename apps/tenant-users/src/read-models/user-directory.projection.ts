import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { type JsonObject, type RecordedEvent, streamId } from '#kernel';
import { Sealer } from '#privacy';
import { type CreateIndex, type Projection, prepareStatement, type SlotOf } from '#projections';
import type {
  TenantUserCreated,
  TenantUserDeleted,
  TenantUserEvent,
  TenantUserUpdated,
} from '../domain/tenant-user.js';
import type { UserDirectoryTables, UserRow } from './tables.js';

/** An event as the log holds it: what is personal is one sealed text. */
type Sealed<Event extends TenantUserEvent> = Omit<Event['data'], 'personal'> & { personal?: string };

export const USER_DIRECTORY = 'user-directory';

/** Users by tenant. */
@Injectable()
export class UserDirectoryProjection implements Projection<UserDirectoryTables> {
  readonly name = USER_DIRECTORY;
  readonly version = 1;
  readonly categories = ['tenantUser'];
  readonly tables = ['users', 'user_counts'] as const;

  constructor(@Inject(Sealer) private readonly sealer: Sealer) {}

  async createTables(schema: Kysely<UserDirectoryTables>, createIndex: CreateIndex): Promise<void> {
    await schema.schema
      .createTable('users')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('tenant_id', 'text', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('external_id_index', 'text')
      .addColumn('account_kit_id', 'text', (column) => column.notNull())
      .addColumn('role', 'text', (column) => column.notNull())
      .addColumn('teams', 'text', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('is_default', 'integer', (column) => column.notNull())
      .addColumn('personal', 'text', (column) => column.notNull())
      .addColumn('subject_key', 'text', (column) => column.notNull())
      .addColumn('revision', 'bigint', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'text', (column) => column.notNull())
      .execute();
    await createIndex('users', ['tenant_id', 'sequence']);
    await createIndex('users', ['tenant_id', 'external_id_index']);
    await schema.schema
      .createTable('user_counts')
      .addColumn('tenant_id', 'text', (column) => column.primaryKey())
      .addColumn('total', 'bigint', (column) => column.notNull())
      .execute();
  }

  async apply(transaction: Kysely<UserDirectoryTables>, event: RecordedEvent): Promise<void> {
    switch (event.type) {
      case 'tenant-user.created.v1':
        return this.created(transaction, event);
      case 'tenant-user.updated.v1':
        return this.updated(transaction, event);
      case 'tenant-user.deleted.v1':
        return this.deleted(transaction, event);
      default:
        throw new Error(`${event.type} is not known to ${this.name}`);
    }
  }

  private async created(transaction: Kysely<UserDirectoryTables>, event: RecordedEvent): Promise<void> {
    const data = event.data as unknown as Sealed<TenantUserCreated>;
    await insertUser(transaction, {
      id: streamId(event.stream),
      tenant_id: data.tenant_id,
      sequence: Number(event.position),
      external_id_index: data.external_id_index,
      account_kit_id: data.account_kit_id,
      role: data.role,
      teams: JSON.stringify(data.teams),
      status: data.status,
      is_default: data.is_default ? 1 : 0,
      personal: data.personal ?? '',
      subject_key: data.subject_key,
      revision: event.revision,
      created_at: event.at,
      updated_at: event.at,
    });
    await addToCount(transaction, { tenantId: data.tenant_id, by: 1 });
  }

  private async updated(transaction: Kysely<UserDirectoryTables>, event: RecordedEvent): Promise<void> {
    const id = streamId(event.stream);
    const data = event.data as unknown as Sealed<TenantUserUpdated>;
    await transaction
      .updateTable('users')
      .set({
        account_kit_id: data.account_kit_id,
        status: data.status,
        ...(data.role !== undefined && { role: data.role }),
        ...(data.teams !== undefined && { teams: JSON.stringify(data.teams) }),
        ...(data.personal && { personal: await this.merged(transaction, event, data.personal) }),
        revision: event.revision,
        updated_at: event.at,
      })
      .where('id', '=', id)
      .execute();
  }

  /** The user's personal data with the changes laid over it; as it was, once the key is destroyed. */
  private async merged(
    transaction: Kysely<UserDirectoryTables>,
    event: RecordedEvent,
    sealedChanges: string,
  ): Promise<string> {
    const row = await transaction
      .selectFrom('users')
      .select(['personal', 'subject_key'])
      .where('id', '=', streamId(event.stream))
      .executeTakeFirstOrThrow();
    const [current, changes] = await Promise.all([
      this.sealer.open(row.personal, event.stream),
      this.sealer.open(sealedChanges, event.stream),
    ]);
    if (!current || !changes) return row.personal;
    const personal: JsonObject = { ...current, ...changes };
    return this.sealer.seal(row.subject_key, event.stream, personal);
  }

  private async deleted(transaction: Kysely<UserDirectoryTables>, event: RecordedEvent): Promise<void> {
    const data = event.data as unknown as Sealed<TenantUserDeleted>;
    await transaction.deleteFrom('users').where('id', '=', streamId(event.stream)).execute();
    await addToCount(transaction, { tenantId: data.tenant_id, by: -1 });
  }
}

const insertUser = prepareStatement((database: Kysely<UserDirectoryTables>, slot: SlotOf<UserRow>) =>
  database.insertInto('users').values({
    id: slot('id'),
    tenant_id: slot('tenant_id'),
    sequence: slot('sequence'),
    external_id_index: slot('external_id_index'),
    account_kit_id: slot('account_kit_id'),
    role: slot('role'),
    teams: slot('teams'),
    status: slot('status'),
    is_default: slot('is_default'),
    personal: slot('personal'),
    subject_key: slot('subject_key'),
    revision: slot('revision'),
    created_at: slot('created_at'),
    updated_at: slot('updated_at'),
  }),
);

const addToCount = prepareStatement(
  (database: Kysely<UserDirectoryTables>, slot: SlotOf<{ tenantId: string; by: number }>) =>
    database
      .insertInto('user_counts')
      .values({ tenant_id: slot('tenantId'), total: slot('by') })
      .onConflict((conflict) =>
        conflict.column('tenant_id').doUpdateSet((row) => ({
          total: row('user_counts.total', '+', row.ref('excluded.total')),
        })),
      ),
);
