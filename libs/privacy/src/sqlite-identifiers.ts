import { unavailable } from '#kernel';
import type { Claim, IdentifierRows, KeyCollision, KeyHolding, TakenKey } from './identifier-rows.js';
import { IdentifierReader } from './identifier-table.js';
import type { KeyReader } from './key-reader.js';

/** What is to be done with the rows of identifiers, as it goes to the thread that writes them. */
export type IdentifierWrite =
  | { do: 'claim'; keys: readonly Uint8Array[]; claim: Claim }
  | { do: 'release'; keys: readonly Uint8Array[]; claim: Claim }
  | { do: 'follow'; holdings: readonly KeyHolding[]; fill: boolean }
  | { do: 'complete' };

/** Answers what the operation of IdentifierRows answers, once it is durable. */
export type WriteIdentifiers = (write: IdentifierWrite) => Promise<unknown>;

/** Identifiers in the file of a key store, which another thread writes. */
export class SqliteIdentifiers implements IdentifierRows {
  readonly #reader: IdentifierReader;

  constructor(
    reader: KeyReader,
    private readonly write: WriteIdentifiers,
  ) {
    this.#reader = new IdentifierReader(reader.database);
  }

  async find(key: Uint8Array): Promise<Claim | undefined> {
    return this.#attempt(() => this.#reader.find(key));
  }

  async claim(keys: readonly Uint8Array[], claim: Claim): Promise<TakenKey | undefined> {
    return (await this.write({ do: 'claim', keys, claim })) as TakenKey | undefined;
  }

  async release(keys: readonly Uint8Array[], claim: Claim): Promise<void> {
    await this.write({ do: 'release', keys, claim });
  }

  async follow(holdings: readonly KeyHolding[], { fill }: { fill: boolean }): Promise<void> {
    await this.write({ do: 'follow', holdings, fill });
  }

  async collisions(): Promise<KeyCollision[]> {
    return this.#attempt(() => this.#reader.collisions());
  }

  async isComplete(): Promise<boolean> {
    return this.#attempt(() => this.#reader.isComplete());
  }

  async complete(): Promise<void> {
    await this.write({ do: 'complete' });
  }

  #attempt<Result>(read: () => Result): Result {
    try {
      return read();
    } catch (cause) {
      throw unavailable('the key store cannot be read', { cause });
    }
  }
}
