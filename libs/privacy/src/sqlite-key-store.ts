import { LRUCache } from 'lru-cache';
import { type Clock, isTenantryError, randomOctets, systemClock } from '#kernel';
import { KeyReader, type KeyRow } from './key-reader.js';
import { KEY_BYTES, keyLabel, MasterKey, wrongMasterKey } from './master-key.js';
import { SqliteIdentifiers, type WriteIdentifiers } from './sqlite-identifiers.js';
import type { SubjectKeyStore } from './subject-keys.js';

/** A key takes some 500 bytes together with what a Sealer derives from it. */
const KEYS_IN_MEMORY = 100_000;

/** 2025-01-01T00:00:00Z. Ids stay safe integers for 69 years from there, at up to 4,096 a millisecond on average. */
const IDS_BEGAN_AT_MS = 1_735_689_600_000;
const IDS_A_MILLISECOND = 4_096;

/** The thread that writes the store's file. */
export interface KeyWriter {
  /** Wraps and stores it: durable before anything that is appended to the log after this call. */
  insert(id: number, key: Uint8Array): void;
  /** Resolves when neither the file nor its journal holds the keys' bytes, with the times of their first destruction. */
  destroy(ids: readonly number[], at: string): Promise<string[]>;
  /** Resolves when it is durable. The first one of a name stays. */
  insertSecret(name: string, wrapped: Uint8Array): Promise<void>;
  /** Resolves when neither the file nor its journal holds it. */
  destroySecret(name: string): Promise<void>;
  readonly identifiers: WriteIdentifiers;
  /** Rejects with the reason if it can't write just now. */
  ready(): Promise<void>;
}

/**
 * Keys in one SQLite file. Each is 32 random bytes, wrapped by the master key and bound to its id.
 *
 * Ids are ascending integers in decimal, made of the time and a count, so that a file that was put back to an earlier
 * state gives none a second time.
 *
 * "Destroyed" means: no file of the store holds the wrapped bytes. Copies below the file system (a drive's
 * spare blocks) and backups are out of reach and stay wrapped by the master key.
 */
export class SqliteKeyStore implements SubjectKeyStore {
  readonly identifiers: SqliteIdentifiers;
  readonly #recent = new LRUCache<string, Uint8Array>({ max: KEYS_IN_MEMORY });
  readonly #secrets = new Map<string, Uint8Array>();
  readonly #masterKey: MasterKey;
  #lastId: number;

  private constructor(
    /** For those whose tables stand in the same file. */
    readonly reader: KeyReader,
    private readonly writer: KeyWriter,
    masterKey: Uint8Array,
    private readonly clock: Clock,
  ) {
    this.#masterKey = new MasterKey(masterKey);
    this.#lastId = reader.lastId();
    this.identifiers = new SqliteIdentifiers(reader, writer.identifiers);
  }

  /**
   * Opens the store in `file`, which its writer has made. `masterKey` is 32 bytes.
   * Throws TenantryError `illegal_state` when it is not the one that the store was made with.
   */
  static async open(
    file: string,
    writer: KeyWriter,
    { masterKey, clock = systemClock }: { masterKey: Uint8Array; clock?: Clock | undefined },
  ): Promise<SqliteKeyStore> {
    const store = new SqliteKeyStore(new KeyReader(file), writer, masterKey, clock);
    try {
      await store.secret('master-key-check');
    } catch (cause) {
      store.reader.close();
      if (isTenantryError(cause)) throw cause;
      throw wrongMasterKey(cause);
    }
    return store;
  }

  async assign(): Promise<string> {
    const fromTime = (this.clock.now().getTime() - IDS_BEGAN_AT_MS) * IDS_A_MILLISECOND;
    this.#lastId = Math.max(this.#lastId + 1, fromTime);
    const id = String(this.#lastId);
    const key = randomOctets(KEY_BYTES);
    this.writer.insert(this.#lastId, key);
    this.#recent.set(id, key);
    return id;
  }

  async find(keyId: string): Promise<Uint8Array | undefined> {
    const recent = this.#recent.get(keyId);
    if (recent) return recent;
    const { wrapped, destroyedAt } = this.#row(keyId);
    if (destroyedAt) return undefined;
    const key = this.#masterKey.unwrap(keyLabel(keyId), wrapped);
    this.#recent.set(keyId, key);
    return key;
  }

  async destroy(keyIds: readonly string[]): Promise<string[]> {
    for (const keyId of keyIds) if (!this.#recent.has(keyId)) this.#row(keyId);
    const times = await this.writer.destroy(keyIds.map(Number), this.clock.now().toISOString());
    for (const keyId of keyIds) this.#recent.delete(keyId);
    return times;
  }

  async secret(name: string): Promise<Uint8Array> {
    const known = this.#secrets.get(name);
    if (known) return known;
    const label = `secret ${name}`;
    if (!this.reader.secret(name)) {
      await this.writer.insertSecret(name, this.#masterKey.wrap(label, randomOctets(KEY_BYTES)));
    }
    const wrapped = this.reader.secret(name);
    if (!wrapped) throw new Error('a secret is not there after it was stored');
    const secret = this.#masterKey.unwrap(label, wrapped);
    this.#secrets.set(name, secret);
    return secret;
  }

  async destroySecret(name: string): Promise<void> {
    this.#secrets.delete(name);
    await this.writer.destroySecret(name);
  }

  ready(): Promise<void> {
    return this.writer.ready();
  }

  #row(keyId: string): KeyRow {
    const number = Number(keyId);
    const row = String(number) === keyId ? this.reader.key(number) : undefined;
    if (!row) throw new Error('no such subject key was ever made in this store');
    return row;
  }

  async close(): Promise<void> {
    this.reader.close();
    this.#recent.clear();
  }
}
