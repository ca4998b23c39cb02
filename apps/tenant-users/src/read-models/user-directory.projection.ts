import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { type RecordedEvent, streamId } from '#kernel';
import { Sealer } from '#privacy';
import { type CreateIndex, type Projection, prepareStatement, type SlotOf } from '#projections';
import type {
  PersonalData,
  TenantUserCreated,
  TenantUserDeleted,
  TenantUserEvent,
  TenantUserUpdated,
} from '../domain/tenant-user.js';
import { BlindIndexes, type UserIndexes } from './blind-indexes.js';
import { openTexts } from './personal-texts.js';
import type { UserDirectoryTables, UserRow, UserTag } from './tables.js';

/** An event as the log holds it: what is personal is one sealed text. */
type Sealed<Event extends TenantUserEvent> = Omit<Event['data'], 'personal'> & { personal?: string | null };

/** What events of the first version have in clear. */
type InClear = Partial<Pick<PersonalData, 'role' | 'teams'>>;

export const USER_DIRECTORY = 'user-directory';

const NO_INDEXES: UserIndexes = { external_id_index: null, email_index: null, metadata_index: [] };

/** Users by tenant. */
@Injectable()
export class UserDirectoryProjection implements Projection<UserDirectoryTables> {
  readonly name = USER_DIRECTORY;
  readonly version = 6;
  readonly categories = ['tenantUser'];
  readonly tables = ['users', 'user_tags', 'user_counts', 'departed_users'] as const;
  /** Grows with every change, so that what was read before can be told from what would be read now. */
  generation = 0;

  /** Grows when the tables are replaced: whatever was read of them before is of no use. */
  replacements = 0;

  constructor(
    @Inject(Sealer) private readonly sealer: Sealer,
    private readonly blindIndexes: BlindIndexes,
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

  replaced(): void {
    this.replacements += 1;
  }

  changed(): void {
    this.generation += 1;
  }

  async apply(transaction: Kysely<UserDirectoryTables>, event: RecordedEvent): Promise<void> {
    switch (event.type) {
      case 'tenant-user.created.v1':
      case 'tenant-user.created.v2':
        return this.created(transaction, event);
      case 'tenant-user.updated.v1':
      case 'tenant-user.updated.v2':
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
    const data = event.data as unknown as Sealed<TenantUserCreated> & InClear;
    const personal = data.personal ?? '';
    const place = { id: streamId(event.stream), tenant_id: data.tenant_id, sequence: Number(event.position) };
    const { tags, ...found } = await this.foundBy({ ...place, personal }, data);
    await insertUser(transaction, {
      ...place,
      ...found,
      account_kit_id: data.account_kit_id,
      status: data.status,
      is_default: data.is_default ? 1 : 0,
      personal,
      subject_key: data.subject_key,
      revision: event.revision,
      position: Number(event.position),
      created_at: event.at,
      updated_at: event.at,
      opening_budget: data.opening_budget ? JSON.stringify(data.opening_budget) : null,
    });
    await addTags(transaction, place, tags);
    await addToCount(transaction, { tenantId: data.tenant_id, by: 1 });
  }

  private async updated(transaction: Kysely<UserDirectoryTables>, event: RecordedEvent): Promise<void> {
    const data = event.data as unknown as Sealed<TenantUserUpdated> & InClear;
    const row = await transaction
      .selectFrom('users')
      .select(['id', 'tenant_id', 'sequence', 'personal', 'role', 'teams'])
      .where('id', '=', streamId(event.stream))
      .executeTakeFirstOrThrow();
    const isWhole = event.type === 'tenant-user.updated.v2';
    const texts = isWhole ? [data.personal ?? row.personal] : [row.personal, data.personal ?? ''];
    const personal = texts.join(' ').trim();
    const inClear = { role: row.role, teams: JSON.parse(row.teams) as string[], ...data };
    const { tags, ...found } = await this.foundBy({ ...row, personal }, isWhole ? {} : inClear);
    const latest = {
      personal,
      revision: event.revision,
      position: Number(event.position),
      updated_at: event.at,
    };
    const { account_kit_id, status } = data;
    await transaction
      .updateTable('users')
      .set({ ...found, ...latest, account_kit_id, status })
      .where('id', '=', row.id)
      .execute();
    await transaction.deleteFrom('user_tags').where('user_id', '=', row.id).execute();
    await addTags(transaction, row, tags);
  }

  /** What lists find the user by; nothing, once the key is destroyed. Role and teams were in clear once. */
  private async foundBy(row: Pick<UserRow, 'id' | 'tenant_id' | 'personal'>, inClear: InClear) {
    const opened = await openTexts(this.sealer, row);
    const { role = opened?.role ?? '', teams = opened?.teams ?? [] } = inClear;
    const { metadata_index, ...indexes } = opened ? this.blindIndexes.of(row.tenant_id, opened) : NO_INDEXES;
    const tags = [
      { kind: 'team' as const, values: teams },
      { kind: 'metadata' as const, values: metadata_index },
    ];
    return { ...indexes, role, teams: JSON.stringify(teams), tags };
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
  tags: readonly Tags[],
): Promise<void> {
  for (const { kind, values } of tags) {
    for (const value of values)
      await insertTag(transaction, { tenant_id, kind, value, sequence, user_id: id });
  }
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
