import type { DomainEvent, JsonObject } from '#kernel';

export type UserStatus = 'active' | 'suspended' | 'inactive' | 'archived';

/** What tells who somebody is. Sealed in events; `null` throughout once the key is destroyed. */
export interface PersonalData {
  external_id: string | null;
  email: string | null;
  username: string | null;
  first_name: string | null;
  middle_name: string | null;
  last_name: string | null;
  phone_number: string | null;
  label: string | null;
  metadata: JsonObject;
}

export const PERSONAL_FIELDS = [
  'external_id',
  'email',
  'username',
  'first_name',
  'middle_name',
  'last_name',
  'phone_number',
  'label',
  'metadata',
] as const satisfies readonly (keyof PersonalData)[];

/** What may be given at any time and is not personal. */
export interface Standing {
  role: string;
  teams: string[];
  status: UserStatus;
  account_kit_id: string;
}

export const STANDING_FIELDS = [
  'role',
  'teams',
  'status',
  'account_kit_id',
] as const satisfies readonly (keyof Standing)[];

/** Keyed hashes that find users by what is sealed, without holding it. */
export interface UserIndexes {
  /** HMAC of (tenant, email in lower case). */
  email_index: string | null;
  /** HMACs of (tenant, key, value), one for each text, number or boolean at the top of `metadata`. */
  metadata_index: string[];
}

/** What the user's username is held by: the claim's stream and the claim in it. */
export interface UsernameClaim {
  /** HMAC of (tenant, username in lower case). */
  index: string;
  claim_id: string;
}

export interface OpeningBudget {
  limit_micro_usd: number;
  period: 'monthly' | 'none';
}

export type TenantUserCreated = DomainEvent<
  'tenant-user.created.v1',
  Standing &
    Partial<UserIndexes> & {
      platform_id: string;
      tenant_id: string;
      is_default: boolean;
      /** HMAC of (tenant, external_id): finds the user without holding the value. */
      external_id_index: string | null;
      /** The budget that the user has from the start; null or absent for none. */
      opening_budget?: OpeningBudget | null;
      subject_key: string;
      /** Of the username; absent or null where there is none. */
      username_claim?: UsernameClaim | null;
      personal: PersonalData | null;
    }
>;

export type TenantUserUpdated = DomainEvent<
  'tenant-user.updated.v1',
  /** The indexes of the fields that changed. */
  Partial<Pick<Standing, 'role' | 'teams'> & UserIndexes> & {
    /** As they are after the change, changed or not: what other services need to know. */
    status: UserStatus;
    account_kit_id: string;
    platform_id: string;
    tenant_id: string;
    /** Names of the fields that changed. */
    changed: string[];
    subject_key: string;
    /** Given where the username changed. */
    username_claim?: UsernameClaim | null;
    /** Claims that were made before and not written yet come to nothing. */
    username_fenced?: true;
    /** The personal fields that changed; absent when none did. */
    personal?: Partial<PersonalData> | null;
  }
>;

export type TenantUserDeleted = DomainEvent<
  'tenant-user.deleted.v1',
  { platform_id: string; tenant_id: string; subject_key: string; username_claim?: UsernameClaim }
>;

/** The first event where a username was claimed for a user who never came: none can come under this id any more. */
export type TenantUserAbandoned = DomainEvent<
  'tenant-user.abandoned.v1',
  { platform_id: string; tenant_id: string }
>;

export type TenantUserEvent = TenantUserCreated | TenantUserUpdated | TenantUserDeleted | TenantUserAbandoned;

export interface LivingTenantUser extends Standing {
  lifecycle: 'alive';
  platform_id: string;
  tenant_id: string;
  is_default: boolean;
  subject_key: string;
  username_claim: UsernameClaim | null;
  /** Grows with each change and fence of the username: a change must know the one it was prepared for. */
  username_epoch: number;
  personal: PersonalData;
}

export type TenantUserState =
  | { lifecycle: 'absent' }
  | LivingTenantUser
  | ({ lifecycle: 'deleted' } & TenantUserDeleted['data'])
  | ({ lifecycle: 'abandoned' } & TenantUserAbandoned['data']);

/** What a patch may name; what is absent stays as it is, and `metadata` is replaced as a whole. */
export type UserChanges = Partial<Omit<PersonalData, 'external_id'> & Standing>;

export interface CreateUser {
  kind: 'create';
  id: string;
  platform_id: string;
  tenant_id: string;
  is_default: boolean;
  external_id_index: string | null;
  opening_budget: OpeningBudget | null;
  subject_key: string;
  indexes: UserIndexes;
  standing: Omit<Standing, 'status'>;
  /** Needed for a username. */
  username_claim?: UsernameClaim | null;
  personal: PersonalData;
}

export interface UpdateUser {
  kind: 'update';
  tenant_id: string;
  changes: UserChanges;
  /** Those of the changes that have one. */
  indexes: Partial<UserIndexes>;
  /** Needed where the username changes: what holds the new one, and the epoch that it was claimed in. */
  username?: { claim: UsernameClaim | null; epoch: number };
}

export interface DeleteUser {
  kind: 'delete';
  tenant_id: string;
  /** The whole tenant goes, and its default user with it. */
  with_tenant?: boolean;
}

/** Ends what is under way with a username that this user does not have. */
export interface FenceUsername {
  kind: 'fence';
  platform_id: string;
  tenant_id: string;
  username_index: string;
}

export type TenantUserCommand = CreateUser | UpdateUser | DeleteUser | FenceUsername;
