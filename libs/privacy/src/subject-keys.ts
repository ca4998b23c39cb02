import type { IdentifierRows } from './identifier-rows.js';

/**
 * The store of the keys that personal data is sealed under: one AES-256 key a subject (a user as one service
 * knows it), wrapped by the master key and kept outside the log. It can't be rebuilt.
 */
export interface SubjectKeyStore {
  /** Kept here because it must be able to forget, as the log is not. */
  readonly identifiers: IdentifierRows;
  /** The id of a fresh key that is already durable; it is never given out twice. */
  assign(): Promise<string>;
  /** The raw 32 bytes; undefined once destroyed. Throws when the id was never made here. */
  find(keyId: string): Promise<Uint8Array | undefined>;
  /**
   * Destroys keys for good: when it resolves, neither the store nor its journal holds their bytes.
   * Destroying one again changes nothing. Answers the time (RFC 3339 UTC) of each first destruction, in order.
   */
  destroy(keyIds: readonly string[]): Promise<string[]>;
  /** A 32-byte secret of the service that is made on first use and stays the same: `identifiers`, `idempotency`. */
  secret(name: string): Promise<Uint8Array>;
  /** Destroys one for good, as `destroy` does keys; asked for again it is a new one. */
  destroySecret(name: string): Promise<void>;
  ready(): Promise<void>;
  close(): Promise<void>;
}
