import { createSecretKey, type KeyObject } from 'node:crypto';
import { illegalState, randomOctets } from '#kernel';
import { decrypt, encrypt, IV_BYTES } from './aes-gcm.js';

export const KEY_BYTES = 32;

/** The text that a subject's key is bound to. */
export const keyLabel = (keyId: string): string => `subject-key ${keyId}`;

/**
 * Wraps keys by AES-256-GCM with a random 96-bit IV (NIST SP 800-38D, section 8.2.2: good for 2^32 wraps) and with a
 * label as additional data, so that a key moved to another row does not open.
 */
export class MasterKey {
  readonly #key: KeyObject;

  /** Throws TenantryError `illegal_state` unless it has 32 bytes. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== KEY_BYTES) throw illegalState('TENANTRY_MASTER_KEY must be 32 bytes');
    this.#key = createSecretKey(bytes);
  }

  wrap(label: string, key: Uint8Array): Uint8Array {
    return encrypt(this.#key, randomOctets(IV_BYTES), label, key);
  }

  unwrap(label: string, wrapped: Uint8Array): Uint8Array {
    // A copy of its own: the decrypted bytes are part of a larger buffer, which would stay in memory for them.
    return new Uint8Array(decrypt(this.#key, label, wrapped));
  }
}

export const wrongMasterKey = (cause: unknown) =>
  illegalState('the key store was not made with this TENANTRY_MASTER_KEY', { cause });
