import type { JsonObject } from '#kernel';

export const TOPICS = {
  lifecycle: 'tenantry.lifecycle.v1',
  cascade: 'tenantry.cascade.v1',
  deadLetter: 'tenantry.dead-letter.v1',
} as const;

export const MESSAGE_TYPES = {
  platformCreated: 'tenantry.platform.created.v1',
  tenantCreated: 'tenantry.tenant.created.v1',
  tenantDeleted: 'tenantry.tenant.deleted.v1',
  platformKeyIssued: 'tenantry.platform-key.issued.v1',
  platformKeyRevoked: 'tenantry.platform-key.revoked.v1',
  accountKitCreated: 'tenantry.account-kit.created.v1',
  accountKitUpdated: 'tenantry.account-kit.updated.v1',
  accountKitDeleted: 'tenantry.account-kit.deleted.v1',
  userCreated: 'tenantry.user.created.v1',
  userUpdated: 'tenantry.user.updated.v1',
  userDeleted: 'tenantry.user.deleted.v1',
  participantConfirmed: 'tenantry.cascade.participant-confirmed.v1',
  deadLettered: 'tenantry.dead-letter.v1',
} as const;

/**
 * A public message; on the wire a CloudEvent (CloudEvents 1.0). It never carries personal data or secrets:
 * ids, revisions, states and the names of changed fields only.
 */
export interface Message<Data extends object = JsonObject> {
  /** UUID, the same each time the same thing is published. */
  id: string;
  type: string;
  /** The service that says it: `/tenantry/tenant-users`. */
  source: string;
  /** What it is about; the ordering key too: messages of one subject stay in order. */
  subject: string;
  /** RFC 3339 UTC. */
  time: string;
  correlationId: string;
  causationId: string;
  data: Data;
}

export type UserStatus = 'active' | 'suspended' | 'inactive' | 'archived';

export interface PlatformCreated {
  platform_id: string;
  default_tenant_id: string;
  default_account_kit_id: string;
}

export interface TenantCreated {
  platform_id: string;
  tenant_id: string;
  default_user_id: string;
}

/** The tenant is gone; its users follow one by one, each with a message of its own. */
export interface TenantDeleted {
  platform_id: string;
  tenant_id: string;
}

export interface PlatformKeyIssued {
  platform_id: string;
  key_id: string;
  /** SHA-256 in hex. The key has 160 random bits and more, so its hash gives nothing of it away. */
  key_hash: string;
  scopes: string[];
  /** The only tenant that it may act in; null for all of the platform's. */
  tenant_id: string | null;
  /** RFC 3339 UTC. */
  expires_at: string | null;
}

export interface PlatformKeyRevoked {
  platform_id: string;
  key_id: string;
}

/** What a kit lays down that other services heed; null for any. */
export interface AccountKitTerms {
  key_scopes: string[] | null;
  rate_limits: { [name: string]: { limit: number; window_seconds: number } };
  allowed_providers: string[] | null;
}

export interface AccountKitCreated {
  platform_id: string;
  account_kit_id: string;
  revision: number;
  terms: AccountKitTerms;
}

export interface AccountKitUpdated {
  platform_id: string;
  account_kit_id: string;
  revision: number;
  /** Those that changed with this revision. */
  terms: Partial<AccountKitTerms>;
}

export interface AccountKitDeleted {
  platform_id: string;
  account_kit_id: string;
}

export interface UserCreated {
  platform_id: string;
  tenant_id: string;
  user_id: string;
  account_kit_id: string;
  status: UserStatus;
  is_default: boolean;
  /** The budget that the user has from the start; null for none. */
  opening_budget: { limit_micro_usd: number; period: 'monthly' | 'none' } | null;
  revision: number;
}

export interface UserUpdated {
  platform_id: string;
  tenant_id: string;
  user_id: string;
  account_kit_id: string;
  status: UserStatus;
  revision: number;
  /** Names of the fields that changed, never their values. */
  changed: string[];
}

export interface UserDeleted {
  platform_id: string;
  tenant_id: string;
  user_id: string;
  revision: number;
}

export interface ParticipantConfirmed {
  platform_id: string;
  tenant_id: string;
  user_id: string;
  participant: string;
  /** What the participant let go of, counted by kind: `{ "keys": 3 }`. */
  removed: { [kind: string]: number };
}

/** Where a message that could not be handled came from, and why it was given up. */
export interface DeadLettered {
  topic: string;
  group: string;
  attempts: number;
  /** The error's code or class name; never its values. */
  error: string;
  message: JsonObject;
}
