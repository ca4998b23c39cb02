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
    /** HMAC of (user, name): tells which secret it is without holding its name. */
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

/** Holds no secret and no name, since states stay in memory. */
export interface OpenVault extends Scope {
  lifecycle: 'open';
  subject_key: string;
  /** The version of each secret, by its name's index. */
  versions: ReadonlyMap<string, number>;
}

export type ClosedVault = { lifecycle: 'closed' } & VaultClosed['data'];

export type VaultState = { lifecycle: 'absent' } | OpenVault | ClosedVault;

export type PutSecret = { kind: 'put' } & Omit<SecretPut['data'], 'version' | 'personal'> & {
    personal: Secret;
  };

export type VaultCommand =
  | PutSecret
  | { kind: 'read' | 'delete'; tenant_id: string; name_index: string }
  | ({ kind: 'close' } & Scope);
