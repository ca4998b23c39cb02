import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { unavailable } from '#kernel';
import { type IndexedText, TextIndex } from '#worker/projections';
import { type Open, openPersonal } from './personal-text.js';
import type { ListedUser, UserChange, UserRows } from './user-rows.js';
import { type PersonalText, unpacked, wordsOf } from './user-tokens.js';

const LIMITS = {
  /** Of all tenants together; one that takes more is kept alone. */
  maxBytes: 256 * 1024 * 1024,
  /** Users that are taken in while a search waits: less than a second, the least that a refusal can tell. */
  maxWaitedFor: 20_000,
  /** Tenants of as many users are made ready ahead. */
  minAhead: 5_000,
  /** Some milliseconds of work, between which others have their turn. */
  rowsAtOnce: 128,
};
const BYTES_A_TENANT = 64 * 1024;
const BYTES_A_USER = 100;
/** On a core of its own at best: who comes back too early is told anew, who comes back late has waited in vain. */
const MS_A_USER = 0.03;
/** Between two turns of what nobody waits for. */
const LEISURE_MS = 20;
const LARGE_TENANTS = 100;
const LOOK_INTERVAL_MS = 60_000;

interface Tenant {
  readonly id: string;
  readonly index: TextIndex;
  /** It holds every change up to here, perhaps some later ones. */
  ordinal: number;
  users: number;
  isUrgent: boolean;
  isReady: boolean;
  /** What is being done with it, one after the other. */
  turn: Promise<void>;
}

/**
 * Finds users by words, which are sealed on the disk: a full-text index for each tenant, in memory, made when it is
 * first asked for or ahead of that. Nothing is told to it: each question first reads the rows that changed since, so
 * it is never behind the tables, whoever writes them.
 */
export class UserSearch {
  /** The one that was asked longest ago comes first. */
  readonly #tenants = new Map<string, Tenant>();
  #nextLookMs = 0;

  constructor(
    private readonly rows: UserRows,
    private readonly open: Open,
    private readonly limits = LIMITS,
  ) {}

  /** Throws `projection_behind` while a large tenant is still being taken in. */
  async ask<Answer>(tenantId: string, question: (index: TextIndex) => Answer): Promise<Answer> {
    const { total } = await this.rows.tenant(tenantId);
    for (;;) {
      const tenant = this.#tenants.get(tenantId) ?? this.#begin(tenantId);
      this.#tenants.delete(tenantId);
      this.#tenants.set(tenantId, tenant);
      tenant.isUrgent = true;
      if (!tenant.isReady && total - tenant.users >= this.limits.maxWaitedFor) throw behind(tenant, total);
      await this.#follow(tenant);
      // Nothing comes between this and the question, so the index stays open.
      if (this.#has(tenant)) return question(tenant.index);
    }
  }

  /** Takes in changes that follow one another, so that nothing is far behind when it is asked. */
  async follow(changes: readonly UserChange[]): Promise<void> {
    const [first, last] = [changes[0], changes.at(-1)];
    if (!first || !last) return;
    const changed = new Set(changes.map(({ tenant_id }) => tenant_id));
    for (const tenant of [...this.#tenants.values()]) {
      if (!tenant.isReady) continue;
      if (tenant.ordinal < first.ordinal - 1 || changed.has(tenant.id)) await this.#follow(tenant);
      else tenant.ordinal = Math.max(tenant.ordinal, last.ordinal);
    }
  }

  /** Goes on with the largest tenant that is not there yet, at leisure. */
  async prepareNext(): Promise<void> {
    const isBusy = [...this.#tenants.values()].some(({ isReady }) => !isReady);
    if (isBusy || performance.now() < this.#nextLookMs) return;
    const room = this.limits.maxBytes - this.#bytes();
    const missing = (await this.rows.largestTenants(LARGE_TENANTS)).filter(
      ({ tenant_id, total }) => total >= this.limits.minAhead && !this.#tenants.has(tenant_id),
    );
    const next = missing.find(({ total }) => total * BYTES_A_USER < room);
    if (next) this.#begin(next.tenant_id);
    else this.#nextLookMs = performance.now() + LOOK_INTERVAL_MS;
  }

  forget(): void {
    for (const tenant of this.#tenants.values()) this.#drop(tenant);
  }

  #begin(id: string): Tenant {
    const turn = Promise.resolve();
    const state = { ordinal: 0, users: 0, isUrgent: false, isReady: false, turn };
    const tenant: Tenant = { id, index: new TextIndex(), ...state };
    this.#tenants.set(id, tenant);
    tenant.turn = this.#fill(tenant).catch((error) => {
      this.#drop(tenant);
      throw error;
    });
    // Whoever waits for it has its rejection too.
    tenant.turn.catch(() => undefined);
    return tenant;
  }

  /** Only a row as it is now is ever taken in, so what changes meanwhile is caught up with afterwards. */
  async #fill(tenant: Tenant): Promise<void> {
    tenant.ordinal = (await this.rows.changes()).last;
    for (let after = 0, more = true; more; ) {
      const users = await this.rows.next(tenant.id, after, this.limits.rowsAtOnce);
      await this.#put(tenant, users);
      after = users.at(-1)?.sequence ?? after;
      more = users.length === this.limits.rowsAtOnce;
      tenant.users += users.length;
      await this.#pause(tenant);
      if (!this.#has(tenant)) return;
    }
    tenant.isReady = true;
    this.#makeRoom(tenant);
  }

  /** While somebody waits for a tenant, those that nobody waits for stand still. */
  async #pause(tenant: Tenant): Promise<void> {
    if (tenant.isUrgent) return nextTurn();
    do await delay(LEISURE_MS, undefined, { ref: false });
    while (!tenant.isUrgent && [...this.#tenants.values()].some((it) => it.isUrgent && !it.isReady));
  }

  #follow(tenant: Tenant): Promise<void> {
    const following = tenant.turn.then(() => this.#catchUp(tenant));
    tenant.turn = following.catch(() => undefined);
    return following;
  }

  async #catchUp(tenant: Tenant): Promise<void> {
    const { first, last } = await this.rows.changes();
    const range = { after: tenant.ordinal, to: last };
    // Some are not kept any more: it is made anew.
    if (first > tenant.ordinal + 1) return this.#drop(tenant);
    await this.#takeIn(tenant, await this.rows.changedUsers(tenant.id, range));
    tenant.ordinal = Math.max(tenant.ordinal, last);
  }

  async #takeIn(tenant: Tenant, sequences: readonly number[]): Promise<void> {
    const { rowsAtOnce } = this.limits;
    for (let at = 0; at < sequences.length; at += rowsAtOnce) {
      if (at > 0) await nextTurn();
      const some = sequences.slice(at, at + rowsAtOnce);
      const users = await this.rows.at(tenant.id, some);
      await this.#put(tenant, users);
      const present = new Set(users.map(({ sequence }) => sequence));
      if (this.#has(tenant)) tenant.index.remove(some.filter((sequence) => !present.has(sequence)));
    }
  }

  async #put(tenant: Tenant, users: readonly ListedUser[]): Promise<void> {
    const texts = await Promise.all(users.map((user) => this.#textOf(user)));
    texts.sort((one, other) => one.id - other.id);
    if (this.#has(tenant)) tenant.index.put(texts);
  }

  async #textOf(user: ListedUser): Promise<IndexedText> {
    const personal = await openPersonal(this.open, user);
    return { id: user.sequence, words: personal ? wordsOfUser(personal) : [], tags: unpacked(user.tokens) };
  }

  #has(tenant: Tenant): boolean {
    return this.#tenants.get(tenant.id) === tenant;
  }

  #drop(tenant: Tenant): void {
    if (this.#has(tenant)) this.#tenants.delete(tenant.id);
    tenant.index.close();
  }

  #makeRoom(newest: Tenant): void {
    for (const tenant of this.#tenants.values()) {
      if (this.#bytes() <= this.limits.maxBytes) return;
      if (tenant !== newest && tenant.isReady) this.#drop(tenant);
    }
  }

  #bytes(): number {
    let bytes = 0;
    for (const { index } of this.#tenants.values()) bytes += index.bytes + BYTES_A_TENANT;
    return bytes;
  }
}

/** What a user is found by. */
export function wordsOfUser(personal: PersonalText): string[] {
  const { label, first_name, middle_name, last_name, username, email, external_id } = personal;
  const texts = [label, first_name, middle_name, last_name, username, email, external_id];
  return wordsOf(texts.filter((text) => text != null).join(' '));
}

function behind({ users }: Tenant, total: number) {
  const [done, all] = [users, total].map((count) => count.toLocaleString('en'));
  return unavailable(`search is being prepared: ${done} of ${all} users`, {
    code: 'projection_behind',
    retryAfterSeconds: Math.max(1, Math.floor(((total - users) * MS_A_USER) / 1_000)),
  });
}
