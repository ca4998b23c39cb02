import { fold, type Identifier } from '#kernel';
import type { TenantState } from './tenant.js';
import type { PersonalData, TenantUserState } from './tenant-user.js';

/** Whether somebody has a value. `open`: not, and may come to have it; `ended`: not, and never will. */
export type IdentifierStanding = 'holds' | 'open' | 'ended';

const given = (identifier: Omit<Identifier, 'value'>, value: string | null | undefined): Identifier[] =>
  value == null ? [] : [{ ...identifier, value }];

/** What is unique of a user in the tenant, in the order in which it is refused. */
export const userIdentifiers = (
  tenantId: string,
  { external_id, username }: Partial<Pick<PersonalData, 'external_id' | 'username'>>,
): Identifier[] => [
  ...given({ kind: 'user.external_id', scope: tenantId }, external_id),
  ...given({ kind: 'user.username', scope: tenantId }, username),
];

export const tenantIdentifiers = (platformId: string, externalId: string | null | undefined): Identifier[] =>
  given({ kind: 'tenant.external_id', scope: platformId }, externalId);

export function userStanding(state: TenantUserState, { kind, value }: Identifier): IdentifierStanding {
  if (state.lifecycle === 'absent') return 'open';
  if (state.lifecycle !== 'alive') return 'ended';
  // What can't be read may well be that.
  if (state.personal === null) return 'holds';
  const { external_id, username } = state.personal;
  const holds =
    kind === 'user.external_id' ? external_id === value : username !== null && fold(username) === fold(value);
  return holds ? 'holds' : 'open';
}

export function tenantStanding(state: TenantState, { value }: Identifier): IdentifierStanding {
  if (state.lifecycle === 'absent') return 'open';
  return state.lifecycle === 'alive' && state.external_id === value ? 'holds' : 'ended';
}
