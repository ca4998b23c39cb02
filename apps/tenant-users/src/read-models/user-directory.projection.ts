import type { Kysely } from 'kysely';
import { type JsonObject, type RecordedEvent, streamId } from '#kernel';
import type { Sealer } from '#worker/privacy';
import { type CreateIndex, type Projection, prepareStatement, type SlotOf } from '#worker/projections';
import type {
  PersonalData,
  TenantUserCreated,
  TenantUserDeleted,
  TenantUserEvent,
  TenantUserUpdated,
  UserIndexes,
} from '../domain/tenant-user.js';
import type { BlindIndexing } from './blind-indexing.js';
import type { UserDirectoryTables, UserRow, UserTag } from './tables.js';

/** An event as the log holds it: what is personal is one sealed text. */
type Sealed<Event extends TenantUserEvent> = Omit<Event['data'], 'personal'> & { personal?: string };

export const USER_DIRECTORY = 'user-directory';

/** Users by tenant. */
export class UserDirectoryProjection implements Projection<UserDirectoryTables> {
  readonly name = USER_DIRECTORY;
  readonly version = 5;
  readonly categories = ['tenantUser'];
  readonly tables = ['users', 'user_tags', 'user_counts', 'departed_users'] as const;

  constructor(
    private readonly sealer: Pick<Sealer, 'open' | 'seal'>,
    private readonly blindIndexes: BlindIndexing,
  ) {}

  async createTables(schema: Kysely<UserDirectoryTables>, createIndex: CreateIndex): Promise<void> {
    await schema.schema
      .createTable('users')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('tenant_id', 'text', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('external_id_index', 'text')
      .addColumn('email_index', 'text')
      .addColumn('account_kit_id', 'text', (column) => column.notNull())
      .addColumn('role', 'text', (column) => column.notNull())
      .addColumn('teams', 'text', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('is_default', 'integer', (column) => column.notNull())
      .addColumn('personal', 'text', (column) => column.notNull())
      .addColumn('subject_key', 'text', (column) => column.notNull())
      .addColumn('revision', 'bigint', (column) => column.notNull())
      .addColumn('position', 'bigint', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'text', (column) => column.notNull())
      .addColumn('opening_budget', 'text')
      .execute();
    await createIndex('users', ['tenant_id', 'sequence']);
    await createIndex('users', ['tenant_id', 'position']);
    await createIndex('users', ['tenant_id', 'external_id_index', 'sequence']);
    for (const column of ['email_index', 'status', 'role']) {
      await createIndex('users', ['tenant_id', column, 'sequence']);
    }
    // The kit comes first, so that the index also tells whether a kit is in use in any tenant.
    await createIndex('users', ['account_kit_id', 'tenant_id', 'sequence']);
    await schema.schema
      .createTable('user_tags')
      .addColumn('tenant_id', 'text', (column) => column.notNull())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('value', 'text', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('user_id', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('user_tags_key', ['tenant_id', 'kind', 'value', 'sequence'])
      .execute();
    await createIndex('user_tags', ['user_id', 'kind']);
    await schema.schema
      .createTable('user_counts')
      .addColumn('tenant_id', 'text', (column) => column.primaryKey())
      .addColumn('total', 'bigint', (column) => column.notNull())
      .execute();
    await schema.schema
      .createTable('departed_users')
      .addColumn('tenant_id', 'text', (column) => column.notNull())
      .addColumn('position', 'bigint', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('departed_users_key', ['tenant_id', 'position'])
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
      case 'tenant-user.abandoned.v1':
        return;
      default:
        throw new Error(`${event.type} is not known to ${this.name}`);
    }
  }

  private async created(transaction: Kysely<UserDirectoryTables>, event: RecordedEvent): Promise<void> {
    const data = event.data as unknown as Sealed<TenantUserCreated>;
    const { email_index, metadata_index } = await this.indexesOf(event, data);
    const place = { id: streamId(event.stream), tenant_id: data.tenant_id, sequence: Number(event.position) };
    await insertUser(transaction, {
      ...place,
      external_id_index: data.external_id_index,
      email_index,
      account_kit_id: data.account_kit_id,
      role: data.role,
      teams: JSON.stringify(data.teams),
      status: data.status,
      is_default: data.is_default ? 1 : 0,
      personal: data.personal ?? '',
      subject_key: data.subject_key,
      revision: event.revision,
      position: Number(event.position),
      created_at: event.at,
      updated_at: event.at,
      opening_budget: data.opening_budget ? JSON.stringify(data.opening_budget) : null,
    });
    await addTags(transaction, place, { kind: 'team', values: data.teams });
    await addTags(transaction, place, { kind: 'metadata', values: metadata_index });
    await addToCount(transaction, { tenantId: data.tenant_id, by: 1 });
  }

  /** From the event, or, of one that was stored before events had indexes, from what it seals. */
  private async indexesOf(event: RecordedEvent, data: Sealed<TenantUserCreated>): Promise<UserIndexes> {
    const { tenant_id, email_index, metadata_index, personal } = data;
    if (email_index !== undefined && metadata_index !== undefined) return { email_index, metadata_index };
    const opened = personal && ((await this.sealer.open(personal, event.stream)) as PersonalData | null);
    return opened ? this.blindIndexes.ofAll(tenant_id, opened) : { email_index: null, metadata_index: [] };
  }

  private async updated(transaction: Kysely<UserDirectoryTables>, event: RecordedEvent): Promise<void> {
    const data = event.data as unknown as Sealed<TenantUserUpdated>;
    const row = await transaction
      .selectFrom('users')
      .select(['id', 'tenant_id', 'sequence', 'personal', 'subject_key'])
      .where('id', '=', streamId(event.stream))
      .executeTakeFirstOrThrow();
    const { personal, email_index, metadata_index } = await this.merged(row, event, data);
    await transaction
      .updateTable('users')
      .set({
        account_kit_id: data.account_kit_id,
        status: data.status,
        ...(data.role !== undefined && { role: data.role }),
        ...(data.teams !== undefined && { teams: JSON.stringify(data.teams) }),
        ...(personal !== undefined && { personal }),
        ...(email_index !== undefined && { email_index }),
        revision: event.revision,
        position: Number(event.position),
        updated_at: event.at,
      })
      .where('id', '=', row.id)
      .execute();
    if (data.teams) await replaceTags(transaction, row, { kind: 'team', values: data.teams });
    if (metadata_index) await replaceTags(transaction, row, { kind: 'metadata', values: metadata_index });
  }

  /** The personal data with the changes laid over it, and their indexes; nothing, once the key is destroyed. */
  private async merged(
    row: Pick<UserRow, 'personal' | 'subject_key' | 'tenant_id'>,
    event: RecordedEvent,
    data: Sealed<TenantUserUpdated>,
  ): Promise<Partial<UserIndexes> & { personal?: string }> {
    if (!data.personal) return {};
    const [current, changes] = await Promise.all([
      this.sealer.open(row.personal, event.stream),
      this.sealer.open(data.personal, event.stream),
    ]);
    if (!current || !changes) return {};
    const merged: JsonObject = { ...current, ...changes };
    const { email_index, metadata_index } = data;
    return {
      // An event that was stored before events had indexes gives none.
      ...this.blindIndexes.of(row.tenant_id, changes as Partial<PersonalData>),
      ...(email_index !== undefined && { email_index }),
      ...(metadata_index && { metadata_index }),
      personal: await this.sealer.seal(row.subject_key, event.stream, merged),
    };
  }

  private async deleted(transaction: Kysely<UserDirectoryTables>, event: RecordedEvent): Promise<void> {
    const data = event.data as unknown as Sealed<TenantUserDeleted>;
    const id = streamId(event.stream);
    const { sequence } = await transaction
      .deleteFrom('users')
      .where('id', '=', id)
      .returning('sequence')
      .executeTakeFirstOrThrow();
    await transaction
      .insertInto('departed_users')
      .values({ tenant_id: data.tenant_id, position: Number(event.position), sequence })
      .execute();
    await transaction.deleteFrom('user_tags').where('user_id', '=', id).execute();
    await addToCount(transaction, { tenantId: data.tenant_id, by: -1 });
  }
}

const insertUser = prepareStatement((database: Kysely<UserDirectoryTables>, slot: SlotOf<UserRow>) =>
  database.insertInto('users').values({
    id: slot('id'),
    tenant_id: slot('tenant_id'),
    sequence: slot('sequence'),
    external_id_index: slot('external_id_index'),
    email_index: slot('email_index'),
    account_kit_id: slot('account_kit_id'),
    role: slot('role'),
    teams: slot('teams'),
    status: slot('status'),
    is_default: slot('is_default'),
    personal: slot('personal'),
    subject_key: slot('subject_key'),
    revision: slot('revision'),
    position: slot('position'),
    created_at: slot('created_at'),
    updated_at: slot('updated_at'),
    opening_budget: slot('opening_budget'),
  }),
);

type Place = Pick<UserRow, 'id' | 'tenant_id' | 'sequence'>;
interface Tags {
  kind: UserTag['kind'];
  values: readonly string[];
}

const insertTag = prepareStatement((database: Kysely<UserDirectoryTables>, slot: SlotOf<UserTag>) =>
  database.insertInto('user_tags').values({
    tenant_id: slot('tenant_id'),
    kind: slot('kind'),
    value: slot('value'),
    sequence: slot('sequence'),
    user_id: slot('user_id'),
  }),
);

async function addTags(
  transaction: Kysely<UserDirectoryTables>,
  { id, tenant_id, sequence }: Place,
  { kind, values }: Tags,
): Promise<void> {
  for (const value of values) {
    await insertTag(transaction, { tenant_id, kind, value, sequence, user_id: id });
  }
}

async function replaceTags(transaction: Kysely<UserDirectoryTables>, user: Place, tags: Tags): Promise<void> {
  const ofUser = transaction.deleteFrom('user_tags').where('user_id', '=', user.id);
  await ofUser.where('kind', '=', tags.kind).execute();
  await addTags(transaction, user, tags);
}

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
