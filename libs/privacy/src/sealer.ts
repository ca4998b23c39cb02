import { createHmac, createSecretKey } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { illegalState, type JsonObject } from '#kernel';
import { decrypt, encrypt, IV_BYTES } from './aes-gcm.js';
import { hmacKey, hmacSha256 } from './hmac.js';
import type { SubjectKeyStore } from './subject-keys.js';

const PREFIX = 'v1.';

/** As many are kept as keys, so each is little: one-byte strings, which the collector moves at no cost. */
interface SealingKeys {
  encryption: string;
  iv: string;
  /** The value that was opened last: hot subjects are read again and again. */
  opened?: { sealed: string; context: string; value: JsonObject };
}

/**
 * Two keys from one, so that no key serves two algorithms: HKDF-Expand (RFC 5869, section 2.3) with SHA-512,
 * whose single block holds both. A subject key is uniformly random, so nothing has to be extracted first.
 */
function deriveKeys(subjectKey: Uint8Array): SealingKeys {
  const key = createSecretKey(Buffer.from(subjectKey));
  const derived = createHmac('sha512', key).update('tenantry seal v1\x01').digest('binary');
  return { encryption: derived.slice(0, 32), iv: derived.slice(32) };
}

const bytesOf = (key: string): Buffer => Buffer.from(key, 'latin1');

/** How many keys have the value that was opened last: values are larger than keys. */
const VALUES_IN_MEMORY = 10_000;

/** What is derived of a key hangs on the key itself, so that it leaves memory with it. */
const DERIVED = Symbol('derived keys');
type SubjectKey = Uint8Array & { [DERIVED]?: SealingKeys };

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
  /** Holds nobody's keys alive; those that fall out forget their value. */
  readonly #remembering = new LRUCache<string, WeakRef<SealingKeys>>({
    max: VALUES_IN_MEMORY,
    noDisposeOnSet: true,
    dispose: (keys) => {
      const known = keys.deref();
      if (known) delete known.opened;
    },
  });

  constructor(private readonly keys: Pick<SubjectKeyStore, 'find'>) {}

  /**
   * `context` names where the value belongs (a stream, a row): it opens only there.
   * Throws TenantryError `illegal_state` when the key is destroyed.
   */
  async seal(keyId: string, context: string, value: JsonObject): Promise<string> {
    const keys = await this.#find(keyId);
    if (!keys) throw illegalState('the personal data key is destroyed');
    const plaintext = Buffer.from(JSON.stringify(value));
    const named = Buffer.concat([Buffer.from(`${context.length}:${context}`), plaintext]);
    const iv = hmacSha256(hmacKey(bytesOf(keys.iv)), named).subarray(0, IV_BYTES);
    const bytes = encrypt(bytesOf(keys.encryption), iv, context, plaintext);
    const sealed = `${PREFIX}${keyId}.${bytes.toString('base64url')}`;
    // What was just written is read next, by whoever wrote it.
    this.#remember(keyId, keys, { sealed, context, value: JSON.parse(plaintext.toString()) as JsonObject });
    return sealed;
  }

  /**
   * The value, which may be shared with other callers and is not to be changed; null once its key is destroyed.
   * Throws when it was altered or belongs to another context. Whoever opens many that are not soon opened again
   * leaves the memory to others.
   */
  async open(sealed: string, context: string, { remember = true } = {}): Promise<JsonObject | null> {
    const keyId = sealed.slice(PREFIX.length, sealed.indexOf('.', PREFIX.length));
    if (!sealed.startsWith(PREFIX) || !/^\d+$/.test(keyId)) throw new Error('not a sealed value');
    const keys = await this.#find(keyId);
    if (keys?.opened?.sealed === sealed && keys.opened.context === context) return keys.opened.value;
    const text = sealed.slice(PREFIX.length + keyId.length + 1);
    const bytes = Buffer.from(text, 'base64url');
    // The last character of base64 can hold bits that decoding drops; a value has one sealed form only.
    if (bytes.toString('base64url') !== text) throw new Error('a sealed value is not in its canonical form');
    if (!keys) return null;
    const value = JSON.parse(decrypt(bytesOf(keys.encryption), context, bytes).toString()) as JsonObject;
    if (remember) this.#remember(keyId, keys, { sealed, context, value });
    return value;
  }

  #remember(keyId: string, keys: SealingKeys, opened: NonNullable<SealingKeys['opened']>): void {
    keys.opened = opened;
    if (this.#remembering.get(keyId)?.deref() !== keys) this.#remembering.set(keyId, new WeakRef(keys));
  }

  async #find(keyId: string): Promise<SealingKeys | undefined> {
    const subjectKey: SubjectKey | undefined = await this.keys.find(keyId);
    if (subjectKey) subjectKey[DERIVED] ??= deriveKeys(subjectKey);
    return subjectKey?.[DERIVED];
  }
}
