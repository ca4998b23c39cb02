import { Injectable } from '@nestjs/common';
import {
  type Expression,
  expressionBuilder,
  type Kysely,
  type SelectQueryBuilder,
  type SqlBool,
  sql,
} from 'kysely';
import type { ListOrder } from '#platform';
import { BlindIndexes } from '../commands/blind-indexes.js';
import { UserIds } from '../commands/user-ids.js';
import type { UserStatus } from '../domain/tenant-user.js';
import type { UserDirectoryTables, UserRow, UserTag } from './tables.js';

/** What the users of a list have in common; all that is given must hold. */
export interface UserFilter {
  external_id?: string;
  email?: string;
  status?: UserStatus;
  role?: string;
  team?: string;
  account_kit_id?: string;
  /** Entries at the top of the metadata, by key, in their string form. */
  metadata?: ReadonlyMap<string, string>;
}

/** A filter as the tables know it. */
interface WantedUsers {
  tenantId: string;
  columns: Partial<Pick<UserRow, 'external_id_index' | 'email_index' | 'status' | 'role' | 'account_kit_id'>>;
  tags: Pick<UserTag, 'kind' | 'value'>[];
}

/** The tag whose index leads through the users, if any, and those that each user is then tried for. */
interface PlannedUsers extends Omit<WantedUsers, 'tags'> {
  lead: WantedUsers['tags'][number] | undefined;
  tried: WantedUsers['tags'];
}

interface PageOptions {
  limit: number;
  /** The sequence of the last user of the page before. Left out: the page is the first. */
  after?: number | undefined;
  order: ListOrder;
}

const NO_ENTRIES: ReadonlyMap<string, string> = new Map();

type Database = Kysely<UserDirectoryTables>;

/** Turns what callers look for into the blind indexes that stand for it. */
@Injectable()
export class UserFilters {
  constructor(
    private readonly userIds: UserIds,
    private readonly blindIndexes: BlindIndexes,
  ) {}

  of(tenantId: string, filter: UserFilter): WantedUsers {
    const { external_id, email, team, status, role, account_kit_id, metadata = NO_ENTRIES } = filter;
    const { userIds, blindIndexes } = this;
    const entries = [...metadata].map(([key, value]) => blindIndexes.metadataEntry(tenantId, key, value));
    return {
      tenantId,
      columns: {
        ...(external_id !== undefined && {
          external_id_index: userIds.externalIdIndex(tenantId, external_id),
        }),
        ...(email !== undefined && { email_index: blindIndexes.email(tenantId, email) }),
        ...(status !== undefined && { status }),
        ...(role !== undefined && { role }),
        ...(account_kit_id !== undefined && { account_kit_id }),
      },
      tags: [
        ...entries.map((value) => ({ kind: 'metadata' as const, value })),
        ...(team === undefined ? [] : [{ kind: 'team' as const, value: team }]),
      ],
    };
  }
}

/** Beyond this many users one tag is as good as another to lead. */
const COUNTED_TO_PLAN = 1_000;

/** Lets the rarest tag lead, but where the user is named by an external_id or an email. */
export async function planned(database: Database, { tags, ...wanted }: WantedUsers): Promise<PlannedUsers> {
  const { external_id_index, email_index } = wanted.columns;
  if (external_id_index !== undefined || email_index !== undefined) {
    return { ...wanted, lead: undefined, tried: tags };
  }
  if (tags.length < 2) return { ...wanted, lead: tags[0], tried: [] };
  const counted = await Promise.all(
    tags.map(async (tag) => {
      const some = usersOf(database, wanted.tenantId, tag).limit(COUNTED_TO_PLAN);
      return { tag, count: (await some.execute()).length };
    }),
  );
  const [lead, ...tried] = counted.sort((one, other) => one.count - other.count).map(({ tag }) => tag);
  return { ...wanted, lead, tried };
}

/** Every index ends in the sequence, so that a page is read off one of them in order, at any depth. */
export function selectPage(
  database: Database,
  wanted: PlannedUsers,
  { limit, order, after = order === 'created_at' ? 0 : Number.MAX_SAFE_INTEGER }: PageOptions,
): Promise<UserRow[]> {
  const sequence = sql.ref<number>(wanted.lead ? 'tag.sequence' : 'users.sequence');
  const compared = sql.raw(order === 'created_at' ? '>' : '<');
  const conditions = [
    ...conditionsOnUser(wanted),
    ...conditionsOnTags(database, wanted),
    sql<SqlBool>`${sequence} ${compared} ${after}`,
  ];
  const page = <Tables, Table extends keyof Tables>(query: SelectQueryBuilder<Tables, Table, UserRow>) =>
    query
      .where((row) => row.and(conditions))
      .orderBy(sequence, order === 'created_at' ? 'asc' : 'desc')
      .limit(limit)
      .execute();
  return wanted.lead
    ? page(taggedUsers(database).selectAll('users'))
    : page(database.selectFrom('users').selectAll());
}

/** How many users match. The tags alone tell it where nothing else is asked for. */
export async function countMatching(database: Database, wanted: PlannedUsers): Promise<number> {
  const { tenantId, columns, lead } = wanted;
  const onTags = conditionsOnTags(database, wanted);
  const total = sql<number>`count(*)`.as('total');
  const count = async <Tables, Table extends keyof Tables>(
    query: SelectQueryBuilder<Tables, Table, { total: number }>,
    conditions: Expression<SqlBool>[],
  ) => {
    const [counted] = await query.where((row) => row.and(conditions)).execute();
    return Number(counted?.total);
  };
  if (Object.keys(columns).length > 0) {
    const onUser = conditionsOnUser(wanted);
    return lead
      ? count(taggedUsers(database).select(total), [...onUser, ...onTags])
      : count(database.selectFrom('users').select(total), [...onUser, ...onTags]);
  }
  if (lead) return count(database.selectFrom('user_tags as tag').select(total), onTags);
  const counted = await database
    .selectFrom('user_counts')
    .select('total')
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst();
  return counted?.total ?? 0;
}

const taggedUsers = (database: Database) =>
  database.selectFrom('user_tags as tag').innerJoin('users', 'users.id', 'tag.user_id');

function conditionsOnUser({ tenantId, columns }: PlannedUsers): Expression<SqlBool>[] {
  const row = expressionBuilder<UserDirectoryTables, 'users'>();
  const names = Object.keys(columns) as (keyof WantedUsers['columns'])[];
  return [
    row('users.tenant_id', '=', tenantId),
    ...names.map((name) => row(`users.${name}`, '=', columns[name] ?? null)),
  ];
}

function conditionsOnTags(
  database: Database,
  { tenantId, lead, tried }: PlannedUsers,
): Expression<SqlBool>[] {
  const row = expressionBuilder<{ tag: UserTag }, 'tag'>();
  const sequence = sql.ref<number>(lead ? 'tag.sequence' : 'users.sequence');
  const onLead = lead && [
    row('tag.tenant_id', '=', tenantId),
    row('tag.kind', '=', lead.kind),
    row('tag.value', '=', lead.value),
  ];
  const onTried = tried.map((tag) =>
    row.exists(usersOf(database, tenantId, tag).where('tried.sequence', '=', sequence)),
  );
  return [...(onLead ?? []), ...onTried];
}

const usersOf = (database: Database, tenantId: string, { kind, value }: WantedUsers['tags'][number]) =>
  database
    .selectFrom('user_tags as tried')
    .select('tried.sequence')
    .where('tried.tenant_id', '=', tenantId)
    .where('tried.kind', '=', kind)
    .where('tried.value', '=', value);
