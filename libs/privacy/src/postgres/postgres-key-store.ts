import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Clock, isTenantryError, systemClock } from '#kernel';
import { KEY_BYTES, keyLabel, MasterKey, wrongMasterKey } from '../master-key.js';
import type { SubjectKeyStore } from '../subject-keys.js';
import { Together } from '../together.js';
import { type KeyDatabase, type KeyRow, KeyTables } from './key-tables.js';
import { PostgresIdentifiers } from './postgres-identifiers.js';

/** A key takes up to 4 kB of memory together with what a Sealer derives from it. */
const KEYS_IN_MEMORY = 10_000;
const KEY_ID = /^[1-9]\d{0,15}$/;
/** How long a server that did not answer is not asked about keys that are in memory. */
const BLIND_MS = 1_000;

export type { KeyDatabase };

export interface PostgresKeyStoreOptions {
  /** How many keys are made durable in the first commit, which a caller waits for. */
  poolSize?: number;
  /** How many in each later one, ahead of need: three quarters of it are there when the server goes away. */
  maxPoolSize?: number;
  clock?: Clock;
}

/**
 * Keys in PostgreSQL, wrapped by the master key and bound to their ids. Processes share them: each takes pools of its
 * own, and every `find` asks the server whether the key was destroyed meanwhile, all of one turn of the event loop in
 * one query. Only while the server cannot be asked is a key that is in memory taken as it is: nobody can destroy one
 * there then.
 *
 * "Destroyed" means: no query finds the wrapped bytes. The server keeps them, still wrapped by the master key, in
 * the table's pages until it is vacuumed, in its write-ahead log until that is recycled, and in backups.
 */
export class PostgresKeyStore implements SubjectKeyStore {
  readonly identifiers: PostgresIdentifiers;
  readonly #tables: KeyTables;
  readonly #masterKey: MasterKey;
  readonly #clock: Clock;
  readonly #maxPoolSize: number;
  readonly #recent = new LRUCache<string, Uint8Array>({ max: KEYS_IN_MEMORY });
  readonly #secrets = new Map<string, Promise<Uint8Array>>();
  readonly #finds = new Together<string, KeyRow | undefined>((ids) => this.#readRows(ids));
  readonly #destroys = new Together<string, string>((ids) => this.#destroyNow(ids));
  #pool: { id: string; key: Uint8Array }[] = [];
  #poolSize: number;
  #refilling: Promise<void> | undefined;
  #refillError: unknown;
  #blindUntilMs = 0;

  private constructor(database: KeyDatabase, masterKey: MasterKey, options: PostgresKeyStoreOptions) {
    this.#tables = new KeyTables(database);
    this.identifiers = new PostgresIdentifiers(database);
    this.#masterKey = masterKey;
    this.#clock = options.clock ?? systemClock;
    this.#poolSize = options.poolSize ?? 256;
    this.#maxPoolSize = options.maxPoolSize ?? 4_096;
  }

  /**
   * Makes the tables on first use. `masterKey` is 32 bytes. Throws TenantryError `illegal_state` when it is not the
   * one that the store was made with. The store closes the database.
   */
  static async open(
    database: KeyDatabase,
    masterKey: Uint8Array,
    options: PostgresKeyStoreOptions = {},
  ): Promise<PostgresKeyStore> {
    const store = new PostgresKeyStore(database, new MasterKey(masterKey), options);
    try {
      await store.#tables.create();
      await store.secret('master-key-check');
    } catch (cause) {
      await database.close();
      throw isTenantryError(cause) ? cause : wrongMasterKey(cause);
    }
    return store;
  }

  async assign(): Promise<string> {
    while (this.#pool.length === 0) await this.#refill();
    const next = this.#pool.shift();
    if (!next) throw new Error('poolSize must be at least 1');
    if (this.#pool.length < (this.#poolSize * 3) / 4) {
      // No caller waits for it; readiness tells of it, and so does the first assign that finds the pool empty.
      this.#refill().catch((error: unknown) => {
        this.#refillError = error;
      });
    }
    this.#recent.set(next.id, next.key);
    return next.id;
  }

  async find(keyId: string): Promise<Uint8Array | undefined> {
    const recent = this.#recent.get(keyId);
    if (recent && performance.now() < this.#blindUntilMs) return recent;
    try {
      const row = await this.#finds.ask(made(keyId));
      if (row?.destroyedAt) return this.#forget(keyId);
      return recent ?? this.#recent.get(keyId) ?? this.#keep(keyId, row);
    } catch (error) {
      if (!recent || !isTenantryError(error) || error.kind !== 'unavailable') throw error;
      this.#blindUntilMs = performance.now() + BLIND_MS;
      return recent;
    }
  }

  async destroy(keyIds: readonly string[]): Promise<string[]> {
    const rows = await Promise.all(keyIds.map(async (keyId) => this.#finds.ask(made(keyId))));
    if (rows.some((row) => !row)) throw neverMade();
    return Promise.all(keyIds.map((keyId) => this.#destroys.ask(keyId)));
  }

  secret(name: string): Promise<Uint8Array> {
    const known = this.#secrets.get(name);
    if (known) return known;
    const secret = this.#makeSecret(name);
    this.#secrets.set(name, secret);
    secret.catch(() => this.#secrets.delete(name));
    return secret;
  }

  async destroySecret(name: string): Promise<void> {
    this.#secrets.delete(name);
    await this.#tables.destroySecret(name);
  }

  async ready(): Promise<void> {
    await this.#tables.check();
    if (this.#refillError) throw this.#refillError;
  }

  async close(): Promise<void> {
    await this.#destroys.settled();
    await this.#refilling?.catch(() => undefined);
    this.#pool = [];
    await this.#tables.close();
  }

  async #readRows(ids: string[]): Promise<(KeyRow | undefined)[]> {
    const found = new Map((await this.#tables.read(ids)).map((row) => [String(row.id), row]));
    return ids.map((id) => found.get(id));
  }

  async #destroyNow(ids: string[]): Promise<string[]> {
    for (const id of ids) this.#recent.delete(id);
    const times = await this.#tables.destroy(ids, this.#clock.now().toISOString());
    return ids.map((id) => times.get(id) ?? '');
  }

  #keep(keyId: string, row: KeyRow | undefined): Uint8Array {
    if (!row?.wrapped) throw neverMade();
    const key = this.#masterKey.unwrap(keyLabel(keyId), row.wrapped);
    this.#recent.set(keyId, key);
    return key;
  }

  #forget(keyId: string): undefined {
    this.#recent.delete(keyId);
  }

  #refill(): Promise<void> {
    this.#refilling ??= this.#refillNow().finally(() => {
      this.#refilling = undefined;
    });
    return this.#refilling;
  }

  async #refillNow(): Promise<void> {
    const ready: { id: string; key: Uint8Array }[] = [];
    await this.#tables.append(this.#poolSize, (id) => {
      const key = randomBytes(KEY_BYTES);
      ready.push({ id, key });
      return this.#masterKey.wrap(keyLabel(id), key);
    });
    // Only now are they durable.
    this.#pool.push(...ready);
    this.#refillError = undefined;
    this.#poolSize = this.#maxPoolSize;
  }

  async #makeSecret(name: string): Promise<Uint8Array> {
    const label = `secret ${name}`;
    const wrapped = await this.#tables.secret(name, this.#masterKey.wrap(label, randomBytes(KEY_BYTES)));
    return this.#masterKey.unwrap(label, wrapped);
  }
}

const neverMade = () => new Error('no such subject key was ever made in this store');

function made(keyId: string): string {
  if (!KEY_ID.test(keyId)) throw neverMade();
  return keyId;
}
