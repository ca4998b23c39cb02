import type { DomainEvent, Identifier, JsonObject } from '#kernel';

export type UserStatus = 'active' | 'suspended' | 'inactive' | 'archived';

/** What tells who somebody is and what they do. One sealed text in events. */
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
  role: string;
  teams: string[];
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
  'role',
  'teams',
] as const satisfies readonly (keyof PersonalData)[];

/** What may change at any time and is not personal. */
export interface Standing {
  status: UserStatus;
  account_kit_id: string;
}

export const STANDING_FIELDS = ['status', 'account_kit_id'] as const satisfies readonly (keyof Standing)[];

export interface OpeningBudget {
  limit_micro_usd: number;
  period: 'monthly' | 'none';
}

/** The whole personal text as of the event; null where it can't be opened, as once the key is destroyed. */
interface Text<Personal = PersonalData> {
  subject_key: string;
  personal: Personal | null;
  /** The text as it is stored: an event that changes nothing personal carries it on unopened. */
  sealed_personal?: string;
}

interface Scope {
  platform_id: string;
  tenant_id: string;
}

export type TenantUserCreated = DomainEvent<
  'tenant-user.created.v2',
  Scope &
    Standing &
    Text & {
      is_default: boolean;
      /** The budget that the user has from the start; null for none. */
      opening_budget: OpeningBudget | null;
    }
>;

/** Status and kit are as after the change, changed or not: what other services need to know. */
export type TenantUserUpdated = DomainEvent<
  'tenant-user.updated.v2',
  /** `changed` names the fields that changed; it is empty where an event is only to come before what others do. */
  Scope & Standing & Text & { changed: string[] }
>;

/** `role` and `teams` were in clear. What else there is in such events, hashes of values among it, nobody reads. */
export type TenantUserCreatedV1 = DomainEvent<
  'tenant-user.created.v1',
  Scope &
    Standing &
    Pick<PersonalData, 'role' | 'teams'> &
    Text<Omit<PersonalData, 'role' | 'teams'>> & {
      is_default: boolean;
      opening_budget?: OpeningBudget | null;
    }
>;

/** Held what changed alone; `personal` is absent where nothing did that is sealed. */
export type TenantUserUpdatedV1 = DomainEvent<
  'tenant-user.updated.v1',
  Scope &
    Standing &
    Partial<Pick<PersonalData, 'role' | 'teams'> & Text<Partial<PersonalData>>> & {
      changed: string[];
    }
>;

export type TenantUserDeleted = DomainEvent<'tenant-user.deleted.v1', Scope & { subject_key: string }>;

/** The first event where something was claimed for a user who never came: none can come under this id any more. */
export type TenantUserAbandoned = DomainEvent<'tenant-user.abandoned.v1', Scope>;

export type TenantUserEvent =
  | TenantUserCreated
  | TenantUserUpdated
  | TenantUserCreatedV1
  | TenantUserUpdatedV1
  | TenantUserDeleted
  | TenantUserAbandoned;

export interface LivingTenantUser extends Scope, Standing {
  lifecycle: 'alive';
  is_default: boolean;
  subject_key: string;
  /** Null where it can't be opened. */
  personal: PersonalData | null;
  /** The whole text as it is stored; null where it is not known, or not in one piece. */
  sealed_personal: string | null;
}

export type TenantUserState =
  | { lifecycle: 'absent' }
  | LivingTenantUser
  | ({ lifecycle: 'deleted' } & TenantUserDeleted['data'])
  | ({ lifecycle: 'abandoned' } & TenantUserAbandoned['data']);

/** What a patch may name; what is absent stays as it is, and `metadata` is replaced as a whole. */
export type UserChanges = Partial<Omit<PersonalData, 'external_id'> & Standing>;

/** Creating a user again under the same id changes nothing. */
export interface CreateUser extends Scope {
  kind: 'create';
  is_default: boolean;
  opening_budget: OpeningBudget | null;
  account_kit_id: string;
  subject_key: string;
  personal: PersonalData;
}

export interface UpdateUser {
  kind: 'update';
  tenant_id: string;
  changes: UserChanges;
}

export interface DeleteUser {
  kind: 'delete';
  tenant_id: string;
  /** The whole tenant goes, and its default user with it. */
  with_tenant?: boolean;
}

/** Ends what is under way with a value that this user does not have. */
export interface FenceUser extends Scope {
  kind: 'fence';
  identifier: Identifier;
}

export type TenantUserCommand = CreateUser | UpdateUser | DeleteUser | FenceUser;
