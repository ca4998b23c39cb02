import type { DomainEvent } from '#kernel';

interface Scope {
  platform_id: string;
  tenant_id: string;
}

export type KeyIssued = DomainEvent<
  'keyring.key-issued.v1',
  Scope & {
    key_id: string;
    /** SHA-256 in hex; the key itself is shown once and kept nowhere. */
    key_hash: string;
    key_prefix: string;
    scopes: string[];
    issued_at: string;
    /** RFC 3339 UTC with milliseconds, so that times compare as texts; null for never. */
    expires_at: string | null;
    /** The keyring's own: the same in all its events. */
    subject_key: string;
    /** `null` once the subject key is destroyed. */
    personal: { name: string } | null;
  }
>;

/** The key that takes the place of another is issued in the same append, by the event that follows. */
export type KeyRotated = DomainEvent<
  'keyring.key-rotated.v1',
  Scope & {
    key_id: string;
    /** The new key. */
    replaced_by: string;
    rotated_at: string;
    /** When the old key's grace is over; that of a key without grace is over when it is rotated. */
    ends_at: string;
  }
>;

export type KeyRevoked = DomainEvent<'keyring.key-revoked.v1', Scope & { key_id: string }>;

export type KeyringClosed = DomainEvent<
  'keyring.closed.v1',
  Scope & {
    /** To be destroyed after the closing; null when no key was ever issued. */
    subject_key: string | null;
    /** How many keys were live. */
    removed: { keys: number };
  }
>;

export type KeyringEvent = KeyIssued | KeyRotated | KeyRevoked | KeyringClosed;

/** A key that was not revoked. */
export interface HeldKey {
  name: string;
  scopes: string[];
  expires_at: string | null;
  /** When the grace of a rotated key is over; null for one that was not rotated. */
  ends_at: string | null;
}

export interface OpenKeyring extends Scope {
  lifecycle: 'open';
  subject_key: string;
  /**
   * By id. Keys that have ended are dropped, revoked ones at once and those that ended by time at an issue a day
   * later, so that a keyring stays small however many keys it has seen, and a clock that is set back finds the
   * keys it makes valid again.
   */
  keys: ReadonlyMap<string, HeldKey>;
}

export type ClosedKeyring = { lifecycle: 'closed' } & KeyringClosed['data'];

export type KeyringState = { lifecycle: 'absent' } | OpenKeyring | ClosedKeyring;

export type IssueKey = { kind: 'issue' } & Omit<KeyIssued['data'], 'personal'> & {
    personal: { name: string };
  };

export interface RotateKey {
  kind: 'rotate';
  tenant_id: string;
  /** The old key. */
  key_id: string;
  at: string;
  grace_seconds: number;
  replacement: Pick<KeyIssued['data'], 'key_id' | 'key_hash' | 'key_prefix'>;
}

export type KeyringCommand =
  | IssueKey
  | RotateKey
  | { kind: 'revoke'; tenant_id: string; key_id: string; at: string }
  | ({ kind: 'close'; at: string } & Scope);
