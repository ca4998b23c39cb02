import type { UserStatus } from '../domain/tenant-user.js';

export interface UserRow {
  /** The position of the event that created the user: the order of lists. */
  sequence: number;
  id: string;
  tenant_id: string;
  status: UserStatus;
  account_kit_id: string;
  /** 0 or 1. */
  is_default: number;
  subject_key: string;
  revision: number;
  /** Of the latest event. */
  position: number;
  created_at: string;
  updated_at: string;
  /** JSON of an OpeningBudget. */
  opening_budget: string | null;
  /** JSON of the role and the teams where an older log has them in clear; a text that has them comes first. */
  standing: string | null;
  /** What the user is filtered by, 8 bytes each: status, kit, and then what is personal. */
  tokens: Uint8Array;
  /** Sealed under the user's own key; of an older log, the first text and its changes, with spaces between. */
  personal: string;
}

export interface UserDirectoryTables {
  /** PostgreSQL has the tokens as a list too, with an index on it. */
  users: UserRow & { token_list?: string };
  /** `position` is that of the tenant's latest change of a user. */
  user_counts: { tenant_id: string; total: number; position: number };
  /** How many users each kit governs, in all tenants. */
  kit_users: { account_kit_id: string; total: number };
  /** The latest changes of users, in order and without a gap, so that whoever follows the rows learns of them. */
  user_changes: { ordinal: number; tenant_id: string; sequence: number };
}

/** `sequence` is the position of the event that created a row: the order of lists. */
export interface AccessTables {
  platforms: {
    id: string;
    name: string;
    default_tenant_id: string;
    default_account_kit_id: string;
    default_budget_micro_usd: number | null;
    default_role: string;
    sequence: number;
    created_at: string;
  };
  tenants: {
    id: string;
    platform_id: string;
    name: string;
    external_id: string | null;
    /** JSON object. */
    settings: string;
    default_user_id: string;
    /** 0 or 1. */
    is_default: number;
    sequence: number;
    created_at: string;
    updated_at: string;
  };
  account_kits: {
    id: string;
    platform_id: string;
    name: string;
    /** 0 or 1. */
    is_default: number;
    /** JSON object: all of a KitPolicy. */
    policy: string;
    sequence: number;
    created_at: string;
    updated_at: string;
  };
  platform_keys: {
    id: string;
    platform_id: string;
    name: string;
    /** JSON list. */
    scopes: string;
    tenant_id: string | null;
    expires_at: string | null;
    key_hash: string;
    key_prefix: string;
    /** 0 or 1. */
    revoked: number;
    sequence: number;
    created_at: string;
  };
}

/** Counts of each tenant's users, and where its deletion is if it was asked for. */
export interface TenantDeletionTables {
  tenant_deletions: {
    tenant_id: string;
    /** With the next two, null while the tenant lives. */
    platform_id: string | null;
    requested_at: string | null;
    /** Users whose deletion was completed before that of the tenant was requested. */
    completed_before: number | null;
    /** Of all time: users that were created, that are gone, and whose deletion is completed. */
    created: number;
    deleted: number;
    completed: number;
    /** The place and the time of the latest step. */
    position: number;
    at: string;
  };
}

export interface DeletionTables {
  deletions: {
    user_id: string;
    tenant_id: string;
    status: 'pending' | 'completed';
    requested_at: string;
    /** JSON list of {name, status, confirmed_at, removed}. */
    participants: string;
    key_destroyed_at: string | null;
    completed_at: string | null;
    position: number;
  };
}
