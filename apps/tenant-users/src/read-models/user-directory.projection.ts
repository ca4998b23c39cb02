import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import { type RecordedEvent, streamId } from '#kernel';
import type { CreateIndex, Projection, ProjectionDeps } from '#worker/projections';
import type { OpeningBudget, UserStatus } from '../domain/tenant-user.js';
import { clearOf, compacted, type Open, openPersonal } from './personal-text.js';
import type { UserDirectoryTables, UserRow } from './tables.js';
import { UserChanges } from './user-changes.js';
import { userStatements } from './user-directory.statements.js';
import { createTokenTable, createUserTables, mergeTokens, TOKEN_TABLE } from './user-directory.tables.js';
import { packed, TOKEN_BYTES, UserTokens } from './user-tokens.js';

export const USER_DIRECTORY = 'user-directory';

/** What all versions of an event tell; `personal` is sealed. */
interface Told {
  tenant_id: string;
  status: UserStatus;
  account_kit_id: string;
  subject_key: string;
  /** Null or absent where the event could not tell it anew. */
  personal?: string | null;
  /** In clear in the first version alone. */
  role?: string;
  teams?: string[];
}
type Created = Told & { is_default: boolean; opening_budget?: OpeningBudget | null };
type Updated = Told & { changed: string[] };

const FILTERED_BY: ReadonlySet<string> = new Set(['email', 'role', 'teams', 'metadata']);

/** As many texts of an older log stand in a row before those are left out that later ones have made void. */
const MAX_TEXTS = 16;

/** One page is merged for so many writes; a page takes some 50 to 100 µs. */
const WRITES_A_PAGE = 4;

/** The tokens of status and kit come first. */
const STANDING_BYTES = 2 * TOKEN_BYTES;
const NONE = new Uint8Array();
/** Most users of a tenant have the same ones. */
const STANDINGS_IN_MEMORY = 1_000;

export interface UserDirectoryOptions {
  dialect: ProjectionDeps['dialect'];
  open: Open;
  /** 32 bytes, for the tokens of what users are filtered by. */
  secret: Uint8Array;
}

/** Packed tokens of what is personal; null where it can't be read, undefined where they stay as they were. */
type Prepared = Uint8Array | null | undefined;

/** Users by tenant. It opens what is sealed for the tokens alone; rows keep it as it is. */
export class UserDirectoryProjection implements Projection<UserDirectoryTables> {
  readonly name = USER_DIRECTORY;
  readonly version = 7;
  readonly categories = ['tenantUser'];
  readonly tables = ['users', 'user_counts', 'kit_users', 'user_changes'] as const;
  readonly erases = true;
  readonly indexTables: readonly string[];
  readonly #dialect: ProjectionDeps['dialect'];
  #unmerged = 0;
  readonly #open: Open;
  readonly #tokens: UserTokens;
  readonly #standings = new LRUCache<string, Uint8Array>({ max: STANDINGS_IN_MEMORY });
  readonly #statements: ReturnType<typeof userStatements>;

  constructor({ dialect, open, secret }: UserDirectoryOptions) {
    this.#dialect = dialect;
    this.#open = open;
    this.#tokens = new UserTokens(secret);
    this.#statements = userStatements(dialect);
    this.indexTables = dialect === 'sqlite' ? [TOKEN_TABLE] : [];
  }

  async createTables(schema: Kysely<UserDirectoryTables>, createIndex: CreateIndex): Promise<void> {
    await createUserTables(schema, createIndex, this.#dialect);
    if (this.#dialect === 'sqlite') await createTokenTable(schema);
  }

  prepare(events: readonly RecordedEvent[]): Promise<Prepared[]> {
    return Promise.all(events.map((event) => this.#prepared(event)));
  }

  apply(transaction: Kysely<UserDirectoryTables>, event: RecordedEvent, prepared?: unknown): Promise<void> {
    return this.applyAll(transaction, [event], [prepared]);
  }

  async applyAll(
    transaction: Kysely<UserDirectoryTables>,
    events: readonly RecordedEvent[],
    prepared: readonly unknown[],
  ): Promise<void> {
    const changes = new UserChanges();
    for (const [at, event] of events.entries()) {
      const ready = prepared[at] as Prepared;
      const tokens = ready === undefined ? await this.#prepared(event) : ready;
      switch (event.type) {
        case 'tenant-user.created.v1':
        case 'tenant-user.created.v2':
          await this.#created(transaction, event, tokens, changes);
          break;
        case 'tenant-user.updated.v1':
        case 'tenant-user.updated.v2':
          await this.#updated(transaction, event, tokens, changes);
          break;
        case 'tenant-user.deleted.v1':
          await this.#deleted(transaction, event, changes);
          break;
        case 'tenant-user.abandoned.v1':
          break;
        default:
          throw new Error(`${event.type} is not known to ${this.name}`);
      }
    }
    this.#unmerged += await changes.write(transaction, this.#dialect);
  }

  /** As much as keeps pace with what was written: each segment more makes a deletion cost more. */
  async maintain(transaction: Kysely<UserDirectoryTables>): Promise<void> {
    if (this.#dialect !== 'sqlite') return;
    await mergeTokens(transaction, 2 + Math.ceil(this.#unmerged / WRITES_A_PAGE));
    this.#unmerged = 0;
  }

  /** Where a change of the first version leads depends on the row: it is found out when it is applied. */
  async #prepared(event: RecordedEvent): Promise<Prepared> {
    const isCreated = event.type.startsWith('tenant-user.created.');
    if (!isCreated && !(event.type === 'tenant-user.updated.v2' && isFilteredAnew(event))) return undefined;
    const { tenant_id, personal, ...clear } = event.data as unknown as Told;
    const standing = standingOf(clear);
    return this.#tokensOf({ id: streamId(event.stream), tenant_id, personal: personal ?? '', standing });
  }

  async #tokensOf(
    row: Pick<UserRow, 'id' | 'tenant_id' | 'personal' | 'standing'>,
  ): Promise<Uint8Array | null> {
    const text = await openPersonal(this.#open, row);
    return text && packed(this.#tokens.ofPersonal(row.tenant_id, text));
  }

  async #created(
    transaction: Kysely<UserDirectoryTables>,
    event: RecordedEvent,
    tokens: Prepared,
    changes: UserChanges,
  ): Promise<void> {
    const data = event.data as unknown as Created;
    const row = {
      sequence: Number(event.position),
      id: streamId(event.stream),
      tenant_id: data.tenant_id,
      is_default: data.is_default ? 1 : 0,
      subject_key: data.subject_key,
      created_at: event.at,
      opening_budget: data.opening_budget ? JSON.stringify(data.opening_budget) : null,
      standing: standingOf(data),
      personal: data.personal ?? '',
      ...this.#stateOf(event, tokens ?? NONE),
    };
    await this.#statements.insert(transaction, row);
    changes.add(row, 1, { before: NONE, after: row.tokens });
    changes.govern(row.account_kit_id, 1);
  }

  async #updated(
    transaction: Kysely<UserDirectoryTables>,
    event: RecordedEvent,
    prepared: Prepared,
    changes: UserChanges,
  ): Promise<void> {
    const before = await this.#find(transaction, event);
    const personal = (event.data as unknown as Updated).personal ?? before.personal;
    const isFirst = event.type === 'tenant-user.updated.v1';
    const row = { ...before, ...(isFirst ? await this.#withChanges(before, event) : { personal }) };
    const ready = isFirst && isFilteredAnew(event) ? await this.#tokensOf(row) : prepared;
    const own = ready === undefined ? before.tokens.subarray(STANDING_BYTES) : (ready ?? NONE);
    const after = { ...row, ...this.#stateOf(event, own) };
    await this.#statements.update(transaction, after);
    changes.add(after, 0, { before: before.tokens, after: after.tokens });
    if (before.account_kit_id === after.account_kit_id) return;
    changes.govern(before.account_kit_id, -1);
    changes.govern(after.account_kit_id, 1);
  }

  async #deleted(
    transaction: Kysely<UserDirectoryTables>,
    event: RecordedEvent,
    changes: UserChanges,
  ): Promise<void> {
    const row = await this.#find(transaction, event);
    await this.#statements.remove(transaction, row);
    const place = { ...row, position: Number(event.position) };
    changes.add(place, -1, { before: row.tokens, after: NONE });
    changes.govern(row.account_kit_id, -1);
  }

  async #find(transaction: Kysely<UserDirectoryTables>, event: RecordedEvent) {
    const [row] = await this.#statements.find(transaction, { id: streamId(event.stream) });
    if (!row) throw new Error('a change of a user who is not there');
    return row;
  }

  /** An event of the first version holds what has changed alone. */
  async #withChanges(before: Pick<UserRow, 'id' | 'personal' | 'standing'>, event: RecordedEvent) {
    const data = event.data as unknown as Updated;
    const standing = standingOf({ ...clearOf(before), ...data });
    if (data.personal == null) return { standing };
    const personal = `${before.personal} ${data.personal}`;
    const isLong = personal.split(' ').length > MAX_TEXTS;
    return { standing, personal: isLong ? await compacted(this.#open, { ...before, personal }) : personal };
  }

  /** The columns that every event sets. */
  #stateOf(event: RecordedEvent, personalTokens: Uint8Array) {
    const { tenant_id, status, account_kit_id } = event.data as unknown as Told;
    const standing = this.#standingTokens(tenant_id, { status, account_kit_id });
    const tokens = new Uint8Array(standing.length + personalTokens.length);
    tokens.set(standing);
    tokens.set(personalTokens, standing.length);
    const position = Number(event.position);
    return { status, account_kit_id, tokens, revision: event.revision, position, updated_at: event.at };
  }

  #standingTokens(tenantId: string, standing: Pick<UserRow, 'status' | 'account_kit_id'>): Uint8Array {
    const place = `${tenantId} ${standing.status} ${standing.account_kit_id}`;
    const tokens = this.#standings.get(place) ?? packed(this.#tokens.ofStanding(tenantId, standing));
    this.#standings.set(place, tokens);
    return tokens;
  }
}

const isFilteredAnew = ({ data }: RecordedEvent): boolean =>
  (data as unknown as Updated).changed.some((field) => FILTERED_BY.has(field));

/** Null where the role is sealed with the rest. */
const standingOf = ({ role, teams }: Pick<Told, 'role' | 'teams'>): string | null =>
  role === undefined ? null : JSON.stringify({ role, teams });
