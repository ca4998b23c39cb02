import { decodeCursor, encodeCursor, notFound, type RecordedEvent, streamName } from '#kernel';
import type { KnownUser } from '#platform';
import { type EventStore, pages } from '#worker/event-store';
import type { PersonalDataCodec } from '#worker/privacy';
import {
  PERSONAL_FIELDS,
  type PersonalData,
  STANDING_FIELDS,
  type Standing,
  type TenantUserCreated,
  type TenantUserUpdated,
} from '../domain/tenant-user.js';
import type { UserResource } from '../http/user.dto.js';
import type { UserEventPage, UserEventResource } from '../http/user-event.dto.js';
import {
  type Change,
  changesOf,
  FIELDS,
  type Fields,
  isCreation,
  isDeletion,
  neededBefore,
  tells,
  valueIn,
} from './told-fields.js';
import { userResource } from './user-resource.js';

/** The names of the queries that read it. */
export const USER_AS_OF = 'user-as-of';
export const USER_EVENTS = 'user-events';

export interface Place {
  tenantId: string;
  userId: string;
}

export type Moment = { at: string } | { revision: number };
export type WantedEvents = { limit: number; cursor?: string };

/** Where a user's events begin and end. */
interface Ends {
  stream: string;
  first: RecordedEvent;
  last: RecordedEvent;
}

/**
 * Reads what happened to a user straight from the log, where it stays when the user is deleted. What a user was at an
 * event is in that event, or in the nearest before it that tells each field: no more is read, and little is held. It
 * loads nothing of the web side, so that any thread can run it.
 */
export class UserHistory {
  constructor(
    private readonly store: Pick<EventStore, 'read'>,
    private readonly codec: Pick<PersonalDataCodec, 'decode'>,
  ) {}

  /**
   * The user as of a time or a revision. Throws `not_found` where the tenant does not have the user, or did not
   * have it yet, and for a revision that it has not come to.
   */
  async asOf(place: Place, moment: Moment): Promise<UserResource> {
    const ends = await this.ends(place);
    if (!ends || isDeletion(ends.last)) throw notFound('user');
    const { stream, first } = ends;
    const event =
      'at' in moment
        ? await this.lastUntil(Date.parse(moment.at), ends)
        : await this.eventAt(stream, moment.revision);
    if (!event) throw notFound('user');
    const values = await this.values(stream, event, new Set(FIELDS));
    const { tenant_id, is_default } = first.data as unknown as TenantUserCreated['data'];
    const standing = picked(values, STANDING_FIELDS) as unknown as Standing;
    const placed = { id: place.userId, tenant_id, is_default, revision: event.revision };
    const times = { created_at: first.at, updated_at: event.at };
    const personal = picked(values, PERSONAL_FIELDS) as unknown as PersonalData;
    return userResource({ ...standing, ...placed, ...times }, personal);
  }

  /** The user as the log has it now. Throws `not_found`. */
  latest(place: Place): Promise<UserResource> {
    return this.asOf(place, { at: '9999-12-31T23:59:59Z' });
  }

  /** The user as the services know it, without its personal data; undefined where the tenant does not have it now. */
  async known(place: Place): Promise<KnownUser | undefined> {
    const ends = await this.ends(place);
    if (!ends || isDeletion(ends.last)) return undefined;
    const { first, last } = ends;
    const { opening_budget } = first.data as unknown as TenantUserCreated['data'];
    const { status, account_kit_id } = last.data as unknown as TenantUserUpdated['data'];
    const openingBudget = opening_budget
      ? { limit: opening_budget.limit_micro_usd, period: opening_budget.period }
      : null;
    return { status, accountKitId: account_kit_id, createdAt: first.at, openingBudget };
  }

  /** Oldest first. Throws `not_found` where the tenant never had the user. */
  async list(place: Place, { limit, cursor }: WantedEvents): Promise<UserEventPage> {
    const after = cursor === undefined ? -1 : decodeCursor(cursor, 'created_at');
    const ends = await this.ends(place);
    if (!ends) throw notFound('user');
    const { stream, last } = ends;
    const isGone = isDeletion(last);
    const stored = await this.store.read(stream, { from: after + 1, limit });
    const before = await this.eventAt(stream, after);
    const values = before ? await this.values(stream, before, neededBefore(stored)) : {};
    // Of a user who is gone nothing personal is told, so nothing is opened either.
    const events = isGone ? stored : await Promise.all(stored.map((event) => this.codec.decode(event)));
    const changes = changesOf(events, values, isGone);
    const end = stored.at(-1)?.revision ?? last.revision;
    return {
      data: stored.map((event, index) => described(event, changes[index] ?? {})),
      next_cursor: end < last.revision ? encodeCursor(end, 'created_at') : null,
    };
  }

  /** Undefined where the tenant never had the user. */
  private async ends({ tenantId, userId }: Place): Promise<Ends | undefined> {
    const stream = streamName('tenantUser', userId);
    const [[first], [last]] = await Promise.all([
      this.store.read(stream, { limit: 1 }),
      this.store.read(stream, { limit: 1, backwards: true }),
    ]);
    if (!first || !last || !isCreation(first)) return undefined;
    return (first.data as { tenant_id?: string }).tenant_id === tenantId
      ? { stream, first, last }
      : undefined;
  }

  private async eventAt(stream: string, revision: number): Promise<RecordedEvent | undefined> {
    return revision < 0 ? undefined : (await this.store.read(stream, { from: revision, limit: 1 }))[0];
  }

  /** The last event up to a time, by bisection: times within a stream never go back. */
  private async lastUntil(timeMs: number, { stream, last }: Ends): Promise<RecordedEvent | undefined> {
    if (Date.parse(last.at) <= timeMs) return last;
    let found: RecordedEvent | undefined;
    for (let [low, high] = [0, last.revision - 1]; low <= high; ) {
      const middle = (low + high) >>> 1;
      const event = await this.eventAt(stream, middle);
      if (event && Date.parse(event.at) <= timeMs) [found, low] = [event, middle + 1];
      else high = middle - 1;
    }
    return found;
  }

  /** The fields as of an event: each as it was told last. */
  private async values(stream: string, event: RecordedEvent, fields: ReadonlySet<string>): Promise<Fields> {
    const values: Fields = {};
    const missing = new Set(fields);
    for await (const stored of this.backwards(stream, event)) {
      const told = [...missing].filter((field) => tells(stored, field));
      const opened = told.length > 0 ? await this.codec.decode(stored) : stored;
      for (const field of told) {
        values[field] = valueIn(opened, field);
        missing.delete(field);
      }
      if (missing.size === 0) break;
    }
    return values;
  }

  private async *backwards(stream: string, event: RecordedEvent): AsyncGenerator<RecordedEvent> {
    yield event;
    const range = { from: event.revision - 1, backwards: true } as const;
    for await (const page of pages(this.store, stream, range)) yield* page;
  }
}

const picked = (values: Fields, names: readonly string[]): Fields =>
  Object.fromEntries(names.map((name) => [name, values[name] ?? null]));

function described(event: RecordedEvent, changes: Record<string, Change>): UserEventResource {
  const { id, type, position, revision, at, metadata } = event;
  const { actor, correlationId: correlation_id } = metadata;
  return { id, type, position: position.toString(), revision, at, actor, correlation_id, changes };
}
