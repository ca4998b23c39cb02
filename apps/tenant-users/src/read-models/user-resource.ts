import type { Aggregate } from '#event-store';
import type { PersonalData, Standing, TenantUserState } from '../domain/tenant-user.js';
import type { UserResource } from '../http/user.dto.js';
import { clearOf } from './personal-text.js';
import type { ListedUser } from './user-rows.js';
import type { PersonalText } from './user-tokens.js';

/** Where a user comes from and stands at one revision. */
export interface UserFacts extends Standing {
  id: string;
  tenant_id: string;
  is_default: boolean;
  revision: number;
  created_at: string;
  updated_at: string;
}

/** A user as callers see it; nobody in person once the key is destroyed. */
export const userResource = (facts: UserFacts, personal: PersonalData | null): UserResource => ({
  id: facts.id,
  tenant_id: facts.tenant_id,
  external_id: personal?.external_id ?? null,
  email: personal?.email ?? null,
  email_verified: false,
  username: personal?.username ?? null,
  first_name: personal?.first_name ?? null,
  middle_name: personal?.middle_name ?? null,
  last_name: personal?.last_name ?? null,
  phone_number: personal?.phone_number ?? null,
  phone_verified: false,
  label: personal?.label ?? null,
  role: personal?.role ?? null,
  teams: personal?.teams ?? [],
  status: facts.status,
  account_kit_id: facts.account_kit_id,
  metadata: personal?.metadata ?? {},
  is_default: facts.is_default,
  onboarded: false,
  last_seen_at: null,
  revision: facts.revision,
  created_at: facts.created_at,
  updated_at: facts.updated_at,
});

/** The same of what a command has made; undefined where it is gone, or can't be read. */
export function decidedResource(id: string, made: Aggregate<TenantUserState>): UserResource | undefined {
  const { state, revision, createdAt, updatedAt } = made;
  if (state.lifecycle !== 'alive' || state.personal === null || revision === 'no_stream') return undefined;
  const { tenant_id, is_default, status, account_kit_id, personal } = state;
  const times = { created_at: String(createdAt), updated_at: String(updatedAt) };
  return userResource({ id, tenant_id, is_default, status, account_kit_id, revision, ...times }, personal);
}

/** The same of a row; `personal` is null where it can't be read any more. */
export function rowResource(row: ListedUser, personal: PersonalText | null): UserResource {
  const known = { ...clearOf(row), ...personal };
  return userResource({ ...row, is_default: row.is_default === 1 }, known as PersonalData);
}
