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

export type TenantUserCreated = DomainEvent<
  'tenant-user.created.v1',
  Standing &
    Partial<UserIndexes> & {
      platform_id: string;
      tenant_id: string;
      is_default: boolean;
      /** HMAC of (tenant, external_id): finds the user without holding the value. */
      external_id_index: string | null;
      subject_key: string;
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
    /** The personal fields that changed; absent when none did. */
    personal?: Partial<PersonalData> | null;
  }
>;

export type TenantUserDeleted = DomainEvent<
  'tenant-user.deleted.v1',
  { platform_id: string; tenant_id: string; subject_key: string }
>;

export type TenantUserEvent = TenantUserCreated | TenantUserUpdated | TenantUserDeleted;

export interface LivingTenantUser extends Standing {
  lifecycle: 'alive';
  platform_id: string;
  tenant_id: string;
  is_default: boolean;
  subject_key: string;
  personal: PersonalData;
}

export type TenantUserState =
  | { lifecycle: 'absent' }
  | LivingTenantUser
  | { lifecycle: 'deleted'; platform_id: string; tenant_id: string; subject_key: string };

/** What a patch may name; what is absent stays as it is, and `metadata` is replaced as a whole. */
export type UserChanges = Partial<Omit<PersonalData, 'external_id'> & Standing>;

export interface CreateUser {
  kind: 'create';
  id: string;
  platform_id: string;
  tenant_id: string;
  is_default: boolean;
  external_id_index: string | null;
  subject_key: string;
  indexes: UserIndexes;
  standing: Omit<Standing, 'status'>;
  personal: PersonalData;
}

export interface UpdateUser {
  kind: 'update';
  tenant_id: string;
  changes: UserChanges;
  /** Those of the changes that have one. */
  indexes: Partial<UserIndexes>;
}

export interface DeleteUser {
  kind: 'delete';
  tenant_id: string;
  /** The whole tenant goes, and its default user with it. */
  with_tenant?: boolean;
}

export type TenantUserCommand = CreateUser | UpdateUser | DeleteUser;
