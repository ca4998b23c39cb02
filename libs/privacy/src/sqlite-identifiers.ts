import type { Claim, IdentifierRows, KeyCollision, KeyHolding, TakenKey } from './identifier-rows.js';
import type { IdentifierTable } from './identifier-table.js';
import type { KeyFile } from './key-file.js';
import { Together } from './together.js';

type Write = (table: IdentifierTable) => unknown;

/** Identifiers in the file of a key store: all that arrive in one turn of the event loop share one commit. */
export class SqliteIdentifiers implements IdentifierRows {
  readonly #file: KeyFile;
  readonly #writes: Together<Write, unknown>;

  constructor(file: KeyFile) {
    this.#file = file;
    this.#writes = new Together(async (writes) =>
      file.write(() => writes.map((write) => write(file.identifiers))),
    );
  }

  async find(key: Uint8Array): Promise<Claim | undefined> {
    return this.#file.attempt(() => this.#file.identifiers.find(key));
  }

  claim(keys: readonly Uint8Array[], claim: Claim): Promise<TakenKey | undefined> {
    return this.#write((table) => table.claim(keys, claim));
  }

  release(keys: readonly Uint8Array[], claim: Claim): Promise<void> {
    return this.#write((table) => table.release(keys, claim));
  }

  follow(holdings: readonly KeyHolding[], options: { fill: boolean }): Promise<KeyCollision[]> {
    return this.#write((table) => table.follow(holdings, options));
  }

  async isComplete(): Promise<boolean> {
    return this.#file.attempt(() => this.#file.identifiers.isComplete());
  }

  complete(): Promise<void> {
    return this.#write((table) => table.complete());
  }

  /** Resolves once all that was asked for is written. */
  settled(): Promise<void> {
    return this.#writes.settled();
  }

  #write<Result>(write: (table: IdentifierTable) => Result): Promise<Result> {
    return this.#writes.ask(write) as Promise<Result>;
  }
}
