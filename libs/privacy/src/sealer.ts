import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { illegalState, type JsonObject } from '#kernel';
import { decrypt, encrypt, IV_BYTES } from './aes-gcm.js';
import { type HmacKey, hmacKey, hmacSha256 } from './hmac.js';
import type { SubjectKeyStore } from './subject-keys.js';

const PREFIX = 'v1.';

interface SealingKeys {
  encryption: KeyObject;
  iv: HmacKey;
  /** The value that was opened last: hot subjects are read again and again. */
  opened?: { sealed: string; context: string; value: JsonObject };
}

/**
 * Two keys from one, so that no key serves two algorithms: HKDF-Expand (RFC 5869, section 2.3) with SHA-512,
 * whose single block holds both. A subject key is uniformly random, so nothing has to be extracted first.
 */
function deriveKeys(subjectKey: Uint8Array): SealingKeys {
  const derived = createHmac('sha512', createSecretKey(subjectKey)).update('tenantry seal v1\x01').digest();
  return {
    encryption: createSecretKey(derived.subarray(0, 32)),
    iv: hmacKey(derived.subarray(32)),
  };
}

/**
 * Seals JSON objects under subject keys with AES-256-GCM, as `v1.<key id>.<base64url(iv | ciphertext | tag)>`.
 *
 * The IV is synthetic, the idea of SIV (RFC 5297): the first 12 bytes of HMAC-SHA-256 over the context and the
 * plaintext. So a value sealed again gives the same bytes (a read model built anew equals the old one), and no
 * random generator or counter can fail. It is safe because GCM needs one IV never to meet two messages under
 * one key: two messages here have the same IV only where 96 bits of a pseudorandom function collide, which one
 * subject's few thousand values reach with a chance below 2^-70. The length of the context goes into the HMAC,
 * so that no two pairs of context and plaintext read the same.
 *
 * What it gives away, to those who see sealed values alone: the length of a value, and whether two values of
 * one subject in one context are equal. Objects are equal here when their JSON text is, order of keys included.
 */
export class Sealer {
  /** A subject's derived keys live exactly as long as the store keeps its key in memory. */
  readonly #derived = new WeakMap<Uint8Array, SealingKeys>();

  constructor(private readonly keys: SubjectKeyStore) {}

  /**
   * `context` names where the value belongs (a stream, a row): it opens only there.
   * Throws TenantryError `illegal_state` when the key is destroyed.
   */
  async seal(keyId: string, context: string, value: JsonObject): Promise<string> {
    const keys = await this.#find(keyId);
    if (!keys) throw illegalState('the personal data key is destroyed');
    const plaintext = Buffer.from(JSON.stringify(value));
    const named = Buffer.concat([Buffer.from(`${context.length}:${context}`), plaintext]);
    const iv = hmacSha256(keys.iv, named).subarray(0, IV_BYTES);
    const bytes = encrypt(keys.encryption, iv, context, plaintext);
    const sealed = `${PREFIX}${keyId}.${bytes.toString('base64url')}`;
    // What was just written is read next, by whoever wrote it.
    keys.opened = { sealed, context, value: JSON.parse(plaintext.toString()) as JsonObject };
    return sealed;
  }

  /**
   * The value, which may be shared with other callers and is not to be changed; null once its key is destroyed.
   * Throws when it was altered or belongs to another context.
   */
  async open(sealed: string, context: string): Promise<JsonObject | null> {
    const keyId = sealed.slice(PREFIX.length, sealed.indexOf('.', PREFIX.length));
    if (!sealed.startsWith(PREFIX) || !/^\d+$/.test(keyId)) throw new Error('not a sealed value');
    const keys = await this.#find(keyId);
    if (keys?.opened?.sealed === sealed && keys.opened.context === context) return keys.opened.value;
    const text = sealed.slice(PREFIX.length + keyId.length + 1);
    const bytes = Buffer.from(text, 'base64url');
    // The last character of base64 can hold bits that decoding drops; a value has one sealed form only.
    if (bytes.toString('base64url') !== text) throw new Error('a sealed value is not in its canonical form');
    if (!keys) return null;
    const value = JSON.parse(decrypt(keys.encryption, context, bytes).toString()) as JsonObject;
    keys.opened = { sealed, context, value };
    return value;
  }

  async #find(keyId: string): Promise<SealingKeys | undefined> {
    const subjectKey = await this.keys.find(keyId);
    if (!subjectKey) return undefined;
    const known = this.#derived.get(subjectKey);
    if (known) return known;
    const derived = deriveKeys(subjectKey);
    this.#derived.set(subjectKey, derived);
    return derived;
  }
}
