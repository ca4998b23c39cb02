import { LRUCache } from 'lru-cache';
import type { KeyReader } from './key-reader.js';
import { keyLabel, MasterKey } from './master-key.js';

const KEYS_IN_MEMORY = 10_000;

/** Finds keys and secrets in a key store's file, in a thread that makes none. */
export class SubjectKeyReader {
  readonly #masterKey: MasterKey;
  readonly #recent: LRUCache<string, Uint8Array> | undefined;

  constructor(
    private readonly reader: KeyReader,
    masterKey: Uint8Array,
    { keysInMemory = KEYS_IN_MEMORY } = {},
  ) {
    this.#masterKey = new MasterKey(masterKey);
    if (keysInMemory > 0) this.#recent = new LRUCache({ max: keysInMemory });
  }

  /** The raw 32 bytes; undefined once destroyed, and where no such key is there. */
  async find(keyId: string): Promise<Uint8Array | undefined> {
    const recent = this.#recent?.get(keyId);
    if (recent) return recent;
    const row = this.reader.key(Number(keyId));
    if (!row || row.destroyedAt) return undefined;
    const key = this.#masterKey.unwrap(keyLabel(keyId), row.wrapped);
    this.#recent?.set(keyId, key);
    return key;
  }

  /** Throws where there is none of that name. */
  async secret(name: string): Promise<Uint8Array> {
    const wrapped = this.reader.secret(name);
    if (!wrapped) throw new Error(`there is no secret ${name}`);
    return this.#masterKey.unwrap(`secret ${name}`, wrapped);
  }

  /** Nothing of destroyed keys stays in memory. */
  forget(keyIds: readonly string[]): void {
    for (const keyId of keyIds) this.#recent?.delete(keyId);
  }
}
