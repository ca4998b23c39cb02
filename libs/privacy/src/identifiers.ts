import { fold, foldEmail, type Identifier, type IdentifierKind, unavailable } from '#kernel';
import { blindIndex } from './blind-index.js';
import type { Claim, IdentifierRows, KeyCollision, KeyHolding } from './identifier-rows.js';
import type { SubjectKeyStore } from './subject-keys.js';

/** A KeyHolding by its value. */
export type Holding =
  | (Claim & Omit<Identifier, 'value'> & { value: string | null })
  | { holder: string; gone: true };

interface Kind {
  /** The first byte of its keys. */
  number: number;
  /** The one form of all spellings that count as equal. */
  form(value: string): string;
}

/** Ids of other systems differ by case alone, so they are compared exactly. */
const exact = (value: string): string => value;

const KINDS: { readonly [Name in IdentifierKind]: Kind } = {
  'user.external_id': { number: 1, form: exact },
  'user.username': { number: 2, form: fold },
  'tenant.external_id': { number: 3, form: exact },
  'account.email': { number: 4, form: foldEmail },
};

const nameOf = (number: number): IdentifierKind =>
  (Object.keys(KINDS) as IdentifierKind[]).find((name) => KINDS[name].number === number) as IdentifierKind;

export type Collision = Omit<KeyCollision, 'kind'> & { kind: IdentifierKind };

const DIGEST_BYTES = 15;

/** Who has which unique value. It is kept beside the keys, so that, unlike the log, it can forget. */
export class IdentifierRegistry {
  readonly #secret: Uint8Array;
  readonly #rows: IdentifierRows;
  #complete = false;

  private constructor(secret: Uint8Array, rows: IdentifierRows) {
    this.#secret = secret;
    this.#rows = rows;
  }

  static async open(keys: Pick<SubjectKeyStore, 'secret' | 'identifiers'>): Promise<IdentifierRegistry> {
    return new IdentifierRegistry(await keys.secret('identifiers'), keys.identifiers);
  }

  /** 16 bytes that stand for it: its kind, and 15 of an HMAC-SHA-256. */
  digest({ kind, scope, value }: Identifier): Uint8Array {
    const { number, form } = KINDS[kind];
    const digest = blindIndex(this.#secret, kind, scope, form(value));
    return Buffer.concat([Buffer.of(number), digest.subarray(0, DIGEST_BYTES)]);
  }

  /** Also one whose event has not come yet. Throws `unavailable` until an old log has been filled in. */
  async holderOf(identifier: Identifier): Promise<string | undefined> {
    await this.#requireComplete();
    return (await this.#rows.find(this.digest(identifier)))?.holder;
  }

  /**
   * Claims all or none; answers the first that another holder has. What the holder has already is no obstacle.
   * Throws `unavailable` until an old log has been filled in.
   */
  async claim(
    identifiers: readonly Identifier[],
    claim: Claim,
  ): Promise<(Claim & { identifier: Identifier }) | undefined> {
    await this.#requireComplete();
    const taken = await this.#rows.claim(this.#digests(identifiers), claim);
    if (!taken) return undefined;
    const { index, ...other } = taken;
    return { ...other, identifier: identifiers[index] as Identifier };
  }

  /** For a store that claims them itself. Throws `unavailable` until an old log has been filled in. */
  async keysOf(identifiers: readonly Identifier[]): Promise<readonly Uint8Array[]> {
    if (!this.#complete) await this.#requireComplete();
    return this.#digests(identifiers);
  }

  /** Frees those that the holder claimed for that revision or an earlier one. */
  release(identifiers: readonly Identifier[], claim: Claim): Promise<void> {
    return this.#rows.release(this.#digests(identifiers), claim);
  }

  async releaseHolder(holder: string): Promise<void> {
    await this.#rows.follow([{ holder, gone: true }], { fill: false });
  }

  /** Frees what the log frees, and until it is complete claims what an old log holds. */
  async follow(holdings: readonly Holding[]): Promise<void> {
    const keyed = holdings.map((holding): KeyHolding => {
      if ('gone' in holding) return holding;
      const { kind, scope, value, ...claim } = holding;
      return {
        ...claim,
        kind: KINDS[kind].number,
        key: value === null ? null : this.digest({ kind, scope, value }),
      };
    });
    await this.#rows.follow(keyed, { fill: !(await this.isComplete()) });
  }

  /** Those of an old log that are left; some of them where there are many. */
  async collisions(): Promise<Collision[]> {
    return (await this.#rows.collisions()).map(({ kind, ...holders }) => ({
      kind: nameOf(kind),
      ...holders,
    }));
  }

  async isComplete(): Promise<boolean> {
    this.#complete ||= await this.#rows.isComplete();
    return this.#complete;
  }

  /** The log has been followed to where it stood when this was opened. */
  async complete(): Promise<void> {
    await this.#rows.complete();
    this.#complete = true;
  }

  #digests(identifiers: readonly Identifier[]): Uint8Array[] {
    return identifiers.map((identifier) => this.digest(identifier));
  }

  async #requireComplete(): Promise<void> {
    if (this.#complete || (await this.isComplete())) return;
    const detail = 'the identifiers of the log have not been caught up with yet';
    throw unavailable(detail, { code: 'projection_behind' });
  }
}
