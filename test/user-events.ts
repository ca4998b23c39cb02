import type { EventStore } from '#event-store';
import { type Json, type JsonObject, newId, streamName } from '#kernel';
import {
  PERSONAL_FIELDS,
  type PersonalData,
  type Standing,
} from '../apps/tenant-users/src/domain/tenant-user.js';

/** A user as the events so far have it; what is personal is not apart from the rest. */
export interface LoggedUser extends PersonalData, Standing {
  id: string;
  tenantId: string;
}
export type UserValues = Partial<Omit<LoggedUser, 'id' | 'tenantId'>>;
type Version = 1 | 2;

const CLEAR_AT_FIRST = ['role', 'teams'];
const BLANK: PersonalData & Standing = {
  status: 'active',
  account_kit_id: 'kit-1',
  external_id: null,
  email: null,
  username: null,
  first_name: null,
  middle_name: null,
  last_name: null,
  phone_number: null,
  label: null,
  metadata: {},
  role: 'member',
  teams: [],
};

/** Appends the events of users as the log holds them, in both versions, with a seal that tests can break. */
export class UserLog {
  /** Living ones, in the order of their creation. */
  readonly users = new Map<string, LoggedUser>();
  readonly #destroyed = new Set<string>();
  readonly #damaged = new Set<string>();
  readonly #sealed = new Map<string, string>();
  readonly #versions = new Map<string, Version>();
  readonly #revisions = new Map<string, number>();

  constructor(private readonly store: EventStore) {}

  readonly open = async (sealed: string, stream: string): Promise<JsonObject | null> => {
    if (this.#destroyed.has(stream)) return null;
    const [context, value] = JSON.parse(Buffer.from(sealed, 'base64url').toString());
    if (context !== stream) throw new Error('a sealed text failed its check');
    if (this.#damaged.has(stream)) return null;
    return value;
  };

  async create(tenantId: string, values: UserValues = {}, version: Version = 2): Promise<LoggedUser> {
    const user = { id: newId(), tenantId, ...BLANK, ...values };
    this.users.set(user.id, user);
    const rest = { subject_key: user.id, is_default: false, opening_budget: null };
    await this.#append(user, 'created', version, {
      ...rest,
      ...this.#told(user, Object.keys(BLANK), version),
    });
    return user;
  }

  async update(id: string, values: UserValues, version: Version = 2): Promise<void> {
    const before = this.#user(id);
    const user = { ...before, ...values };
    this.users.set(id, user);
    const changed = Object.keys(values);
    // Once a user has a text that is whole, all that follow are.
    const from = Math.max(version, this.#versions.get(id) ?? 1) as Version;
    await this.#append(user, 'updated', from, {
      subject_key: id,
      changed,
      ...this.#told(user, changed, from),
    });
  }

  async delete(id: string): Promise<void> {
    const user = this.#user(id);
    this.users.delete(id);
    await this.#append(user, 'deleted', 1, { subject_key: id });
  }

  /** Nobody can open what was sealed of the user any more. */
  destroyKey(id: string): void {
    this.#destroyed.add(streamName('tenantUser', id));
  }

  /** What was sealed of the user fails its check from now on. */
  damage(id: string): void {
    this.#damaged.add(streamName('tenantUser', id));
  }

  #told(user: LoggedUser, changed: string[], version: Version): JsonObject {
    const { status, account_kit_id } = user;
    const picked = (fields: readonly string[]) =>
      Object.fromEntries(fields.map((field) => [field, user[field as keyof LoggedUser] as Json]));
    const personal: readonly string[] = PERSONAL_FIELDS;
    const stream = streamName('tenantUser', user.id);
    if (version === 2) {
      const isSealedAnew =
        changed.some((field) => personal.includes(field)) || this.#versions.get(user.id) !== 2;
      const isLost = isSealedAnew && (this.#destroyed.has(stream) || this.#damaged.has(stream));
      const sealed = isSealedAnew ? seal(stream, picked(personal)) : this.#sealed.get(user.id);
      const text = isLost ? null : (sealed ?? null);
      if (text !== null) this.#sealed.set(user.id, text);
      return { status, account_kit_id, personal: text };
    }
    const sealed = changed.filter((field) => personal.includes(field) && !CLEAR_AT_FIRST.includes(field));
    const clear = picked(changed.filter((field) => CLEAR_AT_FIRST.includes(field)));
    return {
      status,
      account_kit_id,
      ...clear,
      ...(sealed.length > 0 && { personal: seal(stream, picked(sealed)) }),
    };
  }

  async #append(user: LoggedUser, what: string, version: Version, data: JsonObject): Promise<void> {
    if (what !== 'deleted') this.#versions.set(user.id, version);
    const revision = this.#revisions.get(user.id);
    const event = {
      id: newId(),
      type: `tenant-user.${what}.v${version}`,
      at: '2026-01-01T00:00:00.000Z',
      data: { platform_id: 'platform-1', tenant_id: user.tenantId, ...data },
      metadata: {
        platformId: 'platform-1',
        tenantId: user.tenantId,
        actor: { type: 'system' as const, id: 'test' },
        correlationId: 'test',
        causationId: 'test',
      },
    };
    await this.store.append(streamName('tenantUser', user.id), revision ?? 'no_stream', [event]);
    this.#revisions.set(user.id, (revision ?? -1) + 1);
  }

  #user(id: string): LoggedUser {
    const user = this.users.get(id);
    if (!user) throw new Error('no such user');
    return user;
  }
}

const seal = (stream: string, value: JsonObject): string =>
  Buffer.from(JSON.stringify([stream, value])).toString('base64url');
