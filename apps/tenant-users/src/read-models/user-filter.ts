import { Injectable } from '@nestjs/common';
import type { UserStatus } from '../domain/tenant-user.js';
import { BlindIndexes } from './blind-indexes.js';
import { normalized } from './search-terms.js';
import type { UserRow, UserTag } from './tables.js';

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
  /** How the label, a name or the email begins. */
  q?: string;
}

type FilteredColumn = 'external_id_index' | 'email_index' | 'status' | 'role' | 'account_kit_id';

/** One thing that a filter asks of a user, as the tables know it. */
export type UserCondition =
  | { column: FilteredColumn; value: string }
  | { kind: UserTag['kind']; value: string };

export interface WantedUsers {
  conditions: UserCondition[];
  prefix: string | undefined;
}

const NO_ENTRIES: ReadonlyMap<string, string> = new Map();

/** Tells one condition from another. */
export const keyOf = (condition: UserCondition): string =>
  'kind' in condition ? `${condition.kind}:${condition.value}` : `${condition.column}=${condition.value}`;

/** `tags` are `kind:value` of each. */
export const meets = (condition: UserCondition, row: UserRow, tags: ReadonlySet<string>): boolean =>
  'kind' in condition ? tags.has(keyOf(condition)) : row[condition.column] === condition.value;

/** Turns what callers look for into the blind indexes that stand for it. */
@Injectable()
export class UserFilters {
  constructor(private readonly blindIndexes: BlindIndexes) {}

  of(tenantId: string, filter: UserFilter): WantedUsers {
    const { external_id, email, team, status, role, account_kit_id, metadata = NO_ENTRIES, q } = filter;
    const { blindIndexes } = this;
    const columns: Record<FilteredColumn, string | undefined> = {
      external_id_index:
        external_id === undefined ? undefined : blindIndexes.externalId(tenantId, external_id),
      email_index: email === undefined ? undefined : blindIndexes.email(tenantId, email),
      status,
      role,
      account_kit_id,
    };
    const entries = [...metadata].map(([key, value]) => blindIndexes.metadataEntry(tenantId, key, value));
    return {
      conditions: [
        ...Object.entries(columns).flatMap(([column, value]) =>
          value === undefined ? [] : [{ column: column as FilteredColumn, value }],
        ),
        ...entries.map((value) => ({ kind: 'metadata' as const, value })),
        ...(team === undefined ? [] : [{ kind: 'team' as const, value: team }]),
      ],
      prefix: q === undefined ? undefined : normalized(q),
    };
  }
}
