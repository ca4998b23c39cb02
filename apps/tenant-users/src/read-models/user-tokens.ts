import { hash } from 'node:crypto';
import type { JsonObject } from '#kernel';
import type { UserStatus } from '../domain/tenant-user.js';

export type TokenKind = 'status' | 'account_kit' | 'role' | 'team' | 'email' | 'metadata';

/** Everything about a person, opened. What was not given is null or absent. */
export interface PersonalText {
  external_id?: string | null;
  email?: string | null;
  username?: string | null;
  first_name?: string | null;
  middle_name?: string | null;
  last_name?: string | null;
  phone_number?: string | null;
  label?: string | null;
  metadata?: JsonObject;
  role?: string | null;
  teams?: string[];
}

/** What the users of a list have in common; all that is given must hold. */
export interface UserFilter {
  /** The only user who is wanted. */
  id?: string;
  email?: string;
  status?: UserStatus;
  role?: string;
  team?: string;
  account_kit_id?: string;
  /** Entries at the top of the metadata, by key, in their string form. */
  metadata?: ReadonlyMap<string, string>;
  /** Words of the label, the names, the username, the email or the external_id; the last one may be cut short. */
  q?: string;
}

/** The name of the key store's secret for them. */
export const TOKENS_SECRET = 'directory-tokens';

export const TOKEN_BYTES = 8;
const HEX_DIGITS = 2 * TOKEN_BYTES;
/** As many entries at the top of one user's metadata can be filtered by. */
const MAX_ENTRIES = 100;

/** The one form of all spellings that count as equal: NFC and full case folding. */
const fold = (text: string): string =>
  text.normalize('NFC').toLowerCase().toUpperCase().toLowerCase().normalize('NFC');

/** In the one form that they are compared in. */
export const wordsOf = (text: string): string[] => fold(text).match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];

/**
 * Stand-ins for the values that users are filtered by: 8 bytes of a keyed hash, as hexadecimal digits. Each tenant has
 * its own, so a token finds users of one tenant only.
 */
export class UserTokens {
  readonly #key: string;

  /** 32 bytes, which fill a block of SHA-256 in hexadecimal. */
  constructor(secret: Uint8Array) {
    this.#key = Buffer.from(secret).toString('hex');
  }

  /** Neither a kind nor a tenant's id holds a colon, so no two values read the same. */
  of(tenantId: string, kind: TokenKind, value: string): string {
    return hash('sha256', `${this.#key}${kind}:${tenantId}:${value}`, 'hex').slice(0, HEX_DIGITS);
  }

  /** Of what is known of a user in clear. */
  ofStanding(tenantId: string, standing: { status: string; account_kit_id: string }): string[] {
    const { status, account_kit_id } = standing;
    return this.#of(tenantId, named({ status, account_kit: account_kit_id }));
  }

  ofPersonal(tenantId: string, personal: PersonalText): string[] {
    const { email, role, teams = [], metadata = {} } = personal;
    const entries = Object.entries(metadata).filter(([, value]) => typeof value !== 'object');
    return this.#of(tenantId, [
      ...named({ email: email && fold(email), role }),
      ...teams.map((team): Named => ['team', team]),
      ...entries.slice(0, MAX_ENTRIES).map(([key, value]) => entry(key, String(value))),
    ]);
  }

  /** All that a user must have; `id` and `q` are none. */
  ofFilter(tenantId: string, filter: UserFilter): string[] {
    const { email, role, team, status, account_kit_id, metadata = [] } = filter;
    return this.#of(tenantId, [
      ...named({ email: email && fold(email), role, team, status, account_kit: account_kit_id }),
      ...[...metadata].map(([key, value]) => entry(key, value)),
    ]);
  }

  #of(tenantId: string, values: Named[]): string[] {
    return [...new Set(values.map(([kind, value]) => this.of(tenantId, kind, value)))];
  }
}

type Named = readonly [kind: TokenKind, value: string];

const named = (values: { [Kind in TokenKind]?: string | null | undefined }): Named[] =>
  Object.entries(values).flatMap(([kind, value]) => (value == null ? [] : [[kind as TokenKind, value]]));

const entry = (key: string, value: string): Named => ['metadata', `${key.length}:${key}${value}`];

/** As rows keep them: 8 bytes each. */
export const packed = (tokens: readonly string[]): Uint8Array => Buffer.from(tokens.join(''), 'hex');

export function unpacked(bytes: Uint8Array): string[] {
  const digits = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return Array.from({ length: digits.length / HEX_DIGITS }, (_, at) =>
    digits.slice(at * HEX_DIGITS, (at + 1) * HEX_DIGITS),
  );
}

/** As PostgreSQL's `bigint[]` takes them. */
export const arrayOf = (tokens: readonly string[]): string =>
  `{${tokens.map((token) => BigInt.asIntN(64, BigInt(`0x${token}`))).join()}}`;
