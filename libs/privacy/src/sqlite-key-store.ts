import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Clock, isTenantryError, systemClock } from '#kernel';
import { KeyFile, type KeyRow } from './key-file.js';
import { KEY_BYTES, keyLabel, MasterKey, wrongMasterKey } from './master-key.js';
import { SqliteIdentifiers } from './sqlite-identifiers.js';
import type { SubjectKeyStore } from './subject-keys.js';

/** A key takes some 500 bytes together with what a Sealer derives from it. */
const KEYS_IN_MEMORY = 100_000;

export interface SqliteKeyStoreOptions {
  /** How many keys are made durable in one commit ahead of need. */
  poolSize?: number;
  clock?: Clock;
}

interface PendingDestroy extends Pick<PromiseWithResolvers<string[]>, 'resolve' | 'reject'> {
  keyIds: readonly string[];
}

/**
 * Keys in one SQLite file. Each is 32 random bytes, wrapped by the master key and bound to its id.
 *
 * Ids are ascending integers in decimal. They are unique among all stores open on the file, since each takes a
 * whole pool in one transaction; what is left of a pool when the process ends is abandoned. What a store holds
 * in memory does not follow a destruction through another store on the file.
 *
 * "Destroyed" means: no file of the store holds the wrapped bytes. Copies below the file system (a drive's
 * spare blocks) and backups are out of reach and stay wrapped by the master key.
 */
export class SqliteKeyStore implements SubjectKeyStore {
  readonly identifiers: SqliteIdentifiers;
  readonly #file: KeyFile;
  readonly #masterKey: MasterKey;
  readonly #poolSize: number;
  readonly #clock: Clock;
  readonly #recent = new LRUCache<string, Uint8Array>({ max: KEYS_IN_MEMORY });
  readonly #secrets = new Map<string, Uint8Array>();
  #pool: { id: string; key: Uint8Array }[] = [];
  #scheduledRefill: NodeJS.Immediate | undefined;
  #refillError: unknown;
  #pendingDestroys: PendingDestroy[] = [];

  private constructor(file: KeyFile, masterKey: MasterKey, options: SqliteKeyStoreOptions) {
    this.#file = file;
    this.identifiers = new SqliteIdentifiers(file);
    this.#masterKey = masterKey;
    this.#poolSize = options.poolSize ?? 256;
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Opens the store in `file`, made on first use in a folder that exists. `masterKey` is 32 bytes.
   * Throws TenantryError `illegal_state` when it is not the one that the store was made with.
   */
  static open(file: string, masterKey: Uint8Array, options: SqliteKeyStoreOptions = {}): SqliteKeyStore {
    const wrapping = new MasterKey(masterKey);
    const keyFile = new KeyFile(file);
    const store = new SqliteKeyStore(keyFile, wrapping, options);
    try {
      store.#secret('master-key-check');
    } catch (cause) {
      keyFile.close();
      if (isTenantryError(cause)) throw cause;
      throw wrongMasterKey(cause);
    }
    return store;
  }

  async assign(): Promise<string> {
    if (this.#pool.length === 0) this.#refill();
    const next = this.#pool.shift();
    if (!next) throw new Error('poolSize must be at least 1');
    if (this.#pool.length <= this.#poolSize / 4) {
      this.#scheduledRefill ??= setImmediate(() => this.#refillAhead());
    }
    this.#recent.set(next.id, next.key);
    return next.id;
  }

  async find(keyId: string): Promise<Uint8Array | undefined> {
    const recent = this.#recent.get(keyId);
    if (recent) return recent;
    const { wrapped, destroyedAt } = this.#read(keyId);
    if (destroyedAt) return undefined;
    const key = this.#masterKey.unwrap(keyLabel(keyId), wrapped);
    this.#recent.set(keyId, key);
    return key;
  }

  /** All that arrive in one turn of the event loop share one commit and one cut of the log. */
  async destroy(keyIds: readonly string[]): Promise<string[]> {
    for (const keyId of keyIds) this.#read(keyId);
    if (this.#pendingDestroys.length === 0) setImmediate(() => this.#destroyPending());
    const { promise, resolve, reject } = Promise.withResolvers<string[]>();
    this.#pendingDestroys.push({ keyIds, resolve, reject });
    return promise;
  }

  async secret(name: string): Promise<Uint8Array> {
    return this.#secret(name);
  }

  async destroySecret(name: string): Promise<void> {
    this.#secrets.delete(name);
    this.#file.destroySecret(name);
  }

  async ready(): Promise<void> {
    this.#file.check();
    if (this.#refillError) throw this.#refillError;
  }

  async close(): Promise<void> {
    clearImmediate(this.#scheduledRefill);
    this.#destroyPending();
    await this.identifiers.settled();
    this.#file.close();
    this.#pool = [];
  }

  #refill(): void {
    const made: { id: string; key: Uint8Array }[] = [];
    this.#file.append(this.#poolSize, (number) => {
      const id = String(number);
      const key = randomBytes(KEY_BYTES);
      made.push({ id, key });
      return this.#masterKey.wrap(keyLabel(id), key);
    });
    // Only now are they durable.
    this.#pool.push(...made);
    this.#refillError = undefined;
  }

  #refillAhead(): void {
    this.#scheduledRefill = undefined;
    try {
      this.#refill();
    } catch (error) {
      // No caller is waiting; readiness tells of it, and so does the first assign that finds the pool empty.
      this.#refillError = error;
    }
  }

  #destroyPending(): void {
    const pending = this.#pendingDestroys;
    if (pending.length === 0) return;
    this.#pendingDestroys = [];
    try {
      const keyIds = pending.flatMap((destroy) => destroy.keyIds);
      for (const keyId of keyIds) this.#recent.delete(keyId);
      const destroyedAt = this.#file.destroy(keyIds.map(Number), this.#clock.now().toISOString());
      for (const destroy of pending) destroy.resolve(destroyedAt.splice(0, destroy.keyIds.length));
    } catch (error) {
      for (const destroy of pending) destroy.reject(error);
    }
  }

  #read(keyId: string): KeyRow {
    const number = Number(keyId);
    const row = String(number) === keyId ? this.#file.read(number) : undefined;
    if (!row) throw new Error('no such subject key was ever made in this store');
    return row;
  }

  #secret(name: string): Uint8Array {
    const known = this.#secrets.get(name);
    if (known) return known;
    const label = `secret ${name}`;
    const wrapped = this.#file.secret(name, () => this.#masterKey.wrap(label, randomBytes(KEY_BYTES)));
    const secret = this.#masterKey.unwrap(label, wrapped);
    this.#secrets.set(name, secret);
    return secret;
  }
}
