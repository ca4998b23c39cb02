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

export type KeyringEvent = KeyIssued | KeyRevoked | KeyringClosed;

export interface OpenKeyring extends Scope {
  lifecycle: 'open';
  subject_key: string;
  /**
   * When each key expires, by its id. Keys that have ended are dropped, revoked ones at once and expired ones
   * at the next issue, so that a keyring stays small however many keys it has seen.
   */
  keys: ReadonlyMap<string, string | null>;
}

export type ClosedKeyring = { lifecycle: 'closed' } & KeyringClosed['data'];

export type KeyringState = { lifecycle: 'absent' } | OpenKeyring | ClosedKeyring;

export type IssueKey = { kind: 'issue' } & Omit<KeyIssued['data'], 'personal'> & {
    personal: { name: string };
  };

export type KeyringCommand =
  | IssueKey
  | { kind: 'revoke'; tenant_id: string; key_id: string; at: string }
  | ({ kind: 'close'; at: string } & Scope);
