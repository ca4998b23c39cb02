import { Inject, Injectable } from '@nestjs/common';
import type { EventStore } from '#event-store';
import { type Json, notFound, type RecordedEvent, streamName } from '#kernel';
import { decodeCursor, EVENT_STORE, encodeCursor } from '#platform';
import { PersonalDataCodec, Sealer } from '#privacy';
import { tenantUser } from '../domain/tenant-user.decide.js';
import { PERSONAL_FIELDS, STANDING_FIELDS, type TenantUserEvent } from '../domain/tenant-user.js';
import type { UserEventPage, UserEventResource } from '../http/user-event.dto.js';

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

  /** Oldest first. Throws `not_found` where the tenant never had the user. */
  async list(
    { tenantId, userId }: { tenantId: string; userId: string },
    { limit, cursor }: { limit: number; cursor?: string },
  ): Promise<UserEventPage> {
    const after = cursor === undefined ? -1 : decodeCursor(cursor, 'created_at');
    const stored = await this.store.read(streamName('tenantUser', userId));
    const tenantOf = stored[0]?.data as { tenant_id?: string } | undefined;
    if (tenantOf?.tenant_id !== tenantId) throw notFound('user');
    const last = Math.min(after + limit, stored.length - 1);
    // What a change came from is what the events before it add up to.
    const events = await Promise.all(stored.slice(0, last + 1).map((event) => this.codec.decode(event)));
    const gone = stored.at(-1)?.type === 'tenant-user.deleted.v1';
    const data = described(events as Event[], gone).slice(after + 1);
    const next = last < stored.length - 1 ? encodeCursor(last, 'created_at') : null;
    return { data, next_cursor: next };
  }
}

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
      return FIELDS;
    case 'tenant-user.updated.v1':
      return event.data.changed;
    case 'tenant-user.deleted.v1':
      return [];
  }
}
