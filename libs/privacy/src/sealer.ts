import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { illegalState, isTenantryError, type JsonObject, randomOctets } from '#kernel';
import { decrypt, encrypt, IV_BYTES } from './aes-gcm.js';
import type { SubjectKeyStore } from './subject-keys.js';

/** What a text is called that is the only one of its stream. */
export const PERSONAL = 'personal';

const SEALED = /^(v[12])\.(\d+)\.([\w-]+)$/;

/** What is made of a key, and the value that was opened last: hot subjects are read again and again. */
interface KeyState {
  key: KeyObject;
  /** Of values that were sealed in the first format. */
  firstKey?: KeyObject;
  opened?: { sealed: string; place: string; text: string; value?: JsonObject };
}

/** Values are larger than keys, of which stores keep more. */
const KEPT = 10_000;

/** It hangs on the key itself, so that it leaves memory with it. */
const STATE = Symbol('key state');
type SubjectKey = Uint8Array & { [STATE]?: KeyState };

/** Used again where it is kept. */
const stateFor = (subjectKey: SubjectKey | undefined): KeyState | undefined =>
  subjectKey && (subjectKey[STATE] ?? { key: createSecretKey(subjectKey) });

/** Where a value belongs. As JSON, so that no two pairs of name and stream read the same. */
const placeOf = (name: string, stream: string): string => JSON.stringify(['v2', name, stream]);

/** HKDF-Expand (RFC 5869, section 2.3) with SHA-512: the first format had an encryption key and one for its IVs. */
function firstKeyOf(subjectKey: Uint8Array): KeyObject {
  const derived = createHmac('sha512', subjectKey).update('tenantry seal v1\x01').digest();
  return createSecretKey(derived.subarray(0, 32));
}

/**
 * Seals JSON objects under subject keys with AES-256-GCM, as `v2.<key id>.<base64url(iv | ciphertext | tag)>`.
 * The IV is random (NIST SP 800-38D, section 8.2.2), good for 2^32 values of one subject. A value opens only under
 * the name and the stream that it was sealed for; the format is bound to it, too. Values of the first format,
 * `v1.`, are bound to their stream alone.
 */
export class Sealer {
  /** Holds nobody's keys alive; those that fall out forget their state. */
  readonly #kept = new LRUCache<string, WeakRef<SubjectKey>>({
    max: KEPT,
    noDisposeOnSet: true,
    dispose: (kept) => {
      const key = kept.deref();
      if (key) delete key[STATE];
    },
  });

  constructor(private readonly keys: Pick<SubjectKeyStore, 'find'>) {}

  /** `name` tells it from what else is sealed for the stream. Throws `illegal_state` when the key is destroyed or damaged. */
  async seal(keyId: string, stream: string, value: JsonObject, name = PERSONAL): Promise<string> {
    const key = await this.keys.find(keyId).catch((cause: unknown) => {
      throw isTenantryError(cause)
        ? cause
        : illegalState('the personal data key cannot be opened', { cause });
    });
    const state = this.#stateOf(keyId, key);
    if (!state) throw illegalState('the personal data key is destroyed');
    const text = JSON.stringify(value);
    const place = placeOf(name, stream);
    const bytes = encrypt(state.key, randomOctets(IV_BYTES), place, Buffer.from(text));
    const sealed = `v2.${keyId}.${bytes.toString('base64url')}`;
    // What was just written is read next, by whoever wrote it.
    state.opened = { sealed, place, text };
    return sealed;
  }

  /**
   * The value, which may be shared with other callers and is not to be changed; null once its key is destroyed.
   * Throws when it was altered or belongs elsewhere. Whoever opens many that are not soon opened again leaves the
   * memory to others.
   */
  async open(
    sealed: string,
    stream: string,
    { name = PERSONAL, remember = true } = {},
  ): Promise<JsonObject | null> {
    const [, version, keyId, text] = SEALED.exec(sealed) ?? [];
    if (keyId === undefined || text === undefined) throw new Error('not a sealed value');
    const subjectKey = await this.keys.find(keyId);
    const state = remember ? this.#stateOf(keyId, subjectKey) : stateFor(subjectKey);
    const place = version === 'v1' ? stream : placeOf(name, stream);
    const { opened } = state ?? {};
    if (opened?.sealed === sealed && opened.place === place) {
      opened.value ??= JSON.parse(opened.text) as JsonObject;
      return opened.value;
    }
    const bytes = Buffer.from(text, 'base64url');
    // The last character of base64 can hold bits that decoding drops; a value has one sealed form only.
    if (bytes.toString('base64url') !== text) throw new Error('a sealed value is not in its canonical form');
    if (!state || !subjectKey) return null;
    if (version === 'v1') state.firstKey ??= firstKeyOf(subjectKey);
    const key = version === 'v1' ? state.firstKey : state.key;
    const opening = decrypt(key as KeyObject, place, bytes).toString();
    const value = JSON.parse(opening) as JsonObject;
    if (remember) state.opened = { sealed, place, text: opening, value };
    return value;
  }

  /** The same, but null also where text or key is damaged, so that nothing but what is personal is lost of its subject. */
  async openOrNull(...sealed: Parameters<Sealer['open']>): Promise<JsonObject | null> {
    try {
      return await this.open(...sealed);
    } catch (error) {
      // A key store that is out of reach says nothing of the text.
      if (isTenantryError(error)) throw error;
      return null;
    }
  }

  #stateOf(keyId: string, subjectKey: SubjectKey | undefined): KeyState | undefined {
    if (!subjectKey) return undefined;
    subjectKey[STATE] ??= { key: createSecretKey(subjectKey) };
    if (this.#kept.get(keyId)?.deref() !== subjectKey) this.#kept.set(keyId, new WeakRef(subjectKey));
    return subjectKey[STATE];
  }
}
