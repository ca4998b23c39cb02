import type { DomainEvent } from '#kernel';

interface Scope {
  platform_id: string;
  tenant_id: string;
}

/** A secret's name may tell as much of a person as its value. */
export type Secret = { name: string; value: string };

export type SecretPut = DomainEvent<
  'vault.secret-put.v1',
  Scope & {
    /** The secret's id, which tells nothing of its name; older events hold a hash of that. */
    name_index: string;
    /** 1 for a new secret, one more with each replacement. */
    version: number;
    /** The vault's own: the same in all its events. */
    subject_key: string;
    /** `null` once the subject key is destroyed. */
    personal: Secret | null;
  }
>;

export type SecretDeleted = DomainEvent<'vault.secret-deleted.v1', Scope & { name_index: string }>;

/** Somebody was given the value: on record before they have it. */
export type SecretRead = DomainEvent<
  'vault.secret-read.v1',
  Scope & {
    name_index: string;
    /** The version that was the current one. */
    version: number;
  }
>;

export type VaultClosed = DomainEvent<
  'vault.closed.v1',
  Scope & {
    /** To be destroyed after the closing; null when no secret was ever put. */
    subject_key: string | null;
    removed: { secrets: number };
  }
>;

export type VaultEvent = SecretPut | SecretRead | SecretDeleted | VaultClosed;

/** Holds no value, since states stay in memory. */
export interface OpenVault extends Scope {
  lifecycle: 'open';
  subject_key: string;
  /** By their `name_index`; one whose text can't be opened has no name. */
  secrets: ReadonlyMap<string, { name: string | null; version: number }>;
}

export type ClosedVault = { lifecycle: 'closed' } & VaultClosed['data'];

export type VaultState = { lifecycle: 'absent' } | OpenVault | ClosedVault;

export interface PutSecret extends Scope {
  kind: 'put';
  /** Of the secret, if there is none of that name yet. */
  secret_id: string;
  subject_key: string;
  personal: Secret;
}

export type VaultCommand =
  | PutSecret
  | { kind: 'read' | 'delete'; tenant_id: string; name: string }
  | ({ kind: 'close' } & Scope);
