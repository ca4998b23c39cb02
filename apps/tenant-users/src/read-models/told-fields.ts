import type { Json, RecordedEvent } from '#kernel';
import { PERSONAL_FIELDS, STANDING_FIELDS } from '../domain/tenant-user.js';

/** An event of a user, of any version; `personal` may be sealed still. */
type UserEvent = Pick<RecordedEvent<object>, 'type' | 'data'>;

interface UserData {
  [field: string]: unknown;
  personal?: unknown;
  changed?: string[];
}

export type Fields = Record<string, Json>;

export interface Change {
  from: Json;
  to: Json;
}

export const FIELDS: readonly string[] = [...PERSONAL_FIELDS, ...STANDING_FIELDS];
const PERSONAL: ReadonlySet<string> = new Set(PERSONAL_FIELDS);

export const isCreation = ({ type }: UserEvent): boolean => type.startsWith('tenant-user.created.');

export const isDeletion = ({ type }: UserEvent): boolean => type.startsWith('tenant-user.deleted.');

/** The first version holds what changed, later ones hold all that a user is. */
const isPartial = ({ type }: UserEvent): boolean => type === 'tenant-user.updated.v1';

const isUpdate = ({ type }: UserEvent): boolean => type.startsWith('tenant-user.updated.');

/** Whether the event tells the field's value. */
export function tells(event: UserEvent, field: string): boolean {
  if (isPartial(event)) return changedBy(event).includes(field) || Object.hasOwn(event.data, field);
  return isCreation(event) || isUpdate(event);
}

/** As the event tells it; null where it is sealed. */
export function valueIn({ data }: UserEvent, field: string): Json {
  const told = data as UserData;
  const personal = (typeof told.personal === 'object' && told.personal) || {};
  const holder = Object.hasOwn(personal, field) ? (personal as UserData) : told;
  return (holder[field] ?? null) as Json;
}

/** The same fields whether their values can still be read or not. */
function changedBy(event: UserEvent): readonly string[] {
  if (isCreation(event)) return FIELDS;
  return isUpdate(event) ? ((event.data as UserData).changed ?? []) : [];
}

/** The fields whose values before the events must be known to tell what these changed. */
export function neededBefore(events: readonly UserEvent[]): ReadonlySet<string> {
  const needed = new Set<string>();
  const told = new Set<string>();
  for (const event of events) {
    if (isCreation(event)) return needed;
    for (const field of changedBy(event)) if (!told.has(field)) needed.add(field);
    for (const field of FIELDS) if (tells(event, field)) told.add(field);
  }
  return needed;
}

/** What each event changed, from `before` on; `isGone` leaves out what is personal. */
export function changesOf(
  events: readonly UserEvent[],
  before: Fields,
  isGone: boolean,
): Record<string, Change>[] {
  const current = { ...before };
  return events.map((event) => {
    const changes = changedBy(event).map((field): [string, Change] => {
      const isHidden = isGone && PERSONAL.has(field);
      return [
        field,
        isHidden ? { from: null, to: null } : { from: current[field] ?? null, to: valueIn(event, field) },
      ];
    });
    for (const field of FIELDS) if (tells(event, field)) current[field] = valueIn(event, field);
    return Object.fromEntries(changes);
  });
}
