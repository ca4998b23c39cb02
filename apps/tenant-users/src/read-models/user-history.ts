import { Inject, Injectable } from '@nestjs/common';
import type { EventStore } from '#event-store';
import { type Json, notFound, type RecordedEvent, streamName } from '#kernel';
import { decodeCursor, EVENT_STORE, encodeCursor, type KnownUser } from '#platform';
import { PersonalDataCodec, Sealer } from '#privacy';
import { tenantUser } from '../domain/tenant-user.decide.js';
import {
  PERSONAL_FIELDS,
  STANDING_FIELDS,
  type TenantUserCreated,
  type TenantUserEvent,
  type TenantUserUpdated,
} from '../domain/tenant-user.js';
import type { UserResource } from '../http/user.dto.js';
import type { UserEventPage, UserEventResource } from '../http/user-event.dto.js';
import { userResource } from './user-resource.js';

const isCreation = (event: { type: string } | undefined): boolean =>
  event?.type.startsWith('tenant-user.created.') ?? false;

type Fields = Record<string, Json>;
type Event = RecordedEvent<object> & TenantUserEvent;

const FIELDS: readonly string[] = [...PERSONAL_FIELDS, ...STANDING_FIELDS];
const PERSONAL: ReadonlySet<string> = new Set(PERSONAL_FIELDS);

/** Reads what happened to a user straight from the log, where it stays when the user is deleted. */
@Injectable()
export class UserHistory {
  private readonly codec: PersonalDataCodec;

  constructor(
    @Inject(EVENT_STORE) private readonly store: EventStore,
    sealer: Sealer,
  ) {
    this.codec = new PersonalDataCodec(sealer);
  }

  /**
   * The user as of a time or a revision. Throws `not_found` where the tenant does not have the user, or did not
   * have it yet, and for a revision that it has not come to.
   */
  async asOf(
    { tenantId, userId }: { tenantId: string; userId: string },
    moment: { at: string } | { revision: number },
  ): Promise<UserResource> {
    const stored = await this.stored(tenantId, userId);
    const isLater = (event: RecordedEvent) =>
      'at' in moment ? Date.parse(event.at) > Date.parse(moment.at) : event.revision > moment.revision;
    const later = stored.findIndex(isLater);
    const past = later === -1 ? stored : stored.slice(0, later);
    const events = (await Promise.all(past.map((event) => this.codec.decode(event)))) as Event[];
    const state = events.reduce((before, event) => tenantUser.evolve(before, event), tenantUser.initialState);
    const [first, last] = [events[0], events.at(-1)];
    const isReached = 'at' in moment || last?.revision === moment.revision;
    if (!first || !last || !isReached || isGone(stored) || state.lifecycle !== 'alive') {
      throw notFound('user');
    }
    const placed = { id: userId, revision: last.revision, created_at: first.at, updated_at: last.at };
    return userResource({ ...state, ...placed }, state.personal);
  }

  /** The user as the log has it now. Throws `not_found`. */
  latest(place: { tenantId: string; userId: string }): Promise<UserResource> {
    return this.asOf(place, { at: '9999-12-31T23:59:59Z' });
  }

  /** The user as the services know it, without its personal data; undefined where the tenant does not have it now. */
  async known({ tenantId, userId }: { tenantId: string; userId: string }): Promise<KnownUser | undefined> {
    const [first, ...later] = await this.store.read(streamName('tenantUser', userId));
    if (!first || !isCreation(first) || isGone(later)) return undefined;
    const { tenant_id, opening_budget } = first.data as unknown as TenantUserCreated['data'];
    if (tenant_id !== tenantId) return undefined;
    const { status, account_kit_id } = (later.at(-1) ?? first).data as unknown as TenantUserUpdated['data'];
    const openingBudget = opening_budget
      ? { limit: opening_budget.limit_micro_usd, period: opening_budget.period }
      : null;
    return { status, accountKitId: account_kit_id, createdAt: first.at, openingBudget };
  }

  /** Oldest first. Throws `not_found` where the tenant never had the user. */
  async list(
    { tenantId, userId }: { tenantId: string; userId: string },
    { limit, cursor }: { limit: number; cursor?: string },
  ): Promise<UserEventPage> {
    const after = cursor === undefined ? -1 : decodeCursor(cursor, 'created_at');
    const stored = await this.stored(tenantId, userId);
    const last = Math.min(after + limit, stored.length - 1);
    // What a change came from is what the events before it add up to.
    const events = await Promise.all(stored.slice(0, last + 1).map((event) => this.codec.decode(event)));
    const data = described(events as Event[], isGone(stored)).slice(after + 1);
    const next = last < stored.length - 1 ? encodeCursor(last, 'created_at') : null;
    return { data, next_cursor: next };
  }

  private async stored(tenantId: string, userId: string): Promise<RecordedEvent[]> {
    const stored = await this.store.read(streamName('tenantUser', userId));
    const [first] = stored;
    const tenantOf = first?.data as { tenant_id?: string } | undefined;
    if (tenantOf?.tenant_id !== tenantId || !isCreation(first)) throw notFound('user');
    return stored;
  }
}

const isGone = (stored: readonly RecordedEvent[]): boolean =>
  stored.at(-1)?.type === 'tenant-user.deleted.v1';

/** Each event with the fields that it changed; `gone` leaves out whose they were. */
function described(events: readonly Event[], gone: boolean): UserEventResource[] {
  let state = tenantUser.initialState;
  return events.map((event) => {
    const before = fieldsOf(state);
    state = tenantUser.evolve(state, event);
    const after = fieldsOf(state);
    const { id, type, position, revision, at, metadata } = event;
    const changes = changedFields(event).map((field) => {
      const hidden = gone && PERSONAL.has(field);
      const change = { from: before[field] ?? null, to: after[field] ?? null };
      return [field, hidden ? { from: null, to: null } : change] as const;
    });
    return {
      id,
      type,
      position: position.toString(),
      revision,
      at,
      actor: metadata.actor,
      correlation_id: metadata.correlationId,
      changes: Object.fromEntries(changes),
    };
  });
}

function fieldsOf(state: typeof tenantUser.initialState): Fields {
  return state.lifecycle === 'alive' ? ({ ...state, ...state.personal } as unknown as Fields) : {};
}

/** The same fields whether their values can still be read or not. */
function changedFields(event: TenantUserEvent): readonly string[] {
  switch (event.type) {
    case 'tenant-user.created.v1':
    case 'tenant-user.created.v2':
      return FIELDS;
    case 'tenant-user.updated.v1':
    case 'tenant-user.updated.v2':
      return event.data.changed;
    case 'tenant-user.deleted.v1':
    case 'tenant-user.abandoned.v1':
      return [];
  }
}
