import type { DomainEvent, JsonObject, NewEvent, RecordedEvent } from '#kernel';
import { PERSONAL, type Sealer } from './sealer.js';

/** The convention of events about a person; `personal` is a sealed string in the log. */
interface PersonalData {
  personal?: unknown;
  /** Never in the log: the text that `personal` was opened from. An event that has it is stored with it. */
  sealed_personal?: unknown;
  /** The id of the subject's key. */
  subject_key?: unknown;
}

/** Where one stream has texts of several things, each is named after the id of what its event makes. */
interface Named {
  transaction_id?: string;
  key_id?: string;
  connection_id?: string;
  name_index?: string;
  hold_id?: string;
}

function nameOf({ id, data }: NewEvent<object>): string {
  const { transaction_id, key_id, connection_id, name_index, hold_id }: Named = data;
  return transaction_id ?? key_id ?? connection_id ?? name_index ?? (hold_id === undefined ? PERSONAL : id);
}

/**
 * Keeps personal data out of the log in clear. An event whose data has an object `personal` and a string
 * `subject_key` is stored with `personal` sealed for its stream, and comes back with it opened, or with null where
 * it can't be opened: once the key is destroyed, and where text or key is damaged, so that nothing but what is
 * personal is lost of its subject. Beside it comes `sealed_personal`, the text as it is stored: an event that carries it on
 * is stored with it, and nothing is sealed anew. Any other event passes as it is. `personal` without a key, or in
 * clear in the log, is a broken invariant and throws.
 */
export class PersonalDataCodec {
  constructor(private readonly sealer: Sealer) {}

  async encode(event: NewEvent<object>, stream: string): Promise<NewEvent> {
    const { personal, sealed_personal: text, subject_key, ...data }: PersonalData = event.data;
    if (typeof text === 'string') return stored(event, { ...data, subject_key, personal: text });
    if (personal === undefined || personal === null) return event as NewEvent;
    if (typeof personal !== 'object' || typeof subject_key !== 'string') {
      throw new Error(`${event.type}: personal data must be an object beside a subject_key`);
    }
    const clear = personal as JsonObject;
    const name = nameOf(event);
    const sealed = await this.sealer.seal(subject_key, stream, clear, name);
    const encoded = stored(event, { ...event.data, personal: sealed });
    return name === PERSONAL ? { ...encoded, opened: () => ({ sealed, clear }) } : encoded;
  }

  async decode(event: RecordedEvent): Promise<RecordedEvent<object>> {
    const { personal }: PersonalData = event.data;
    if (personal === undefined || personal === null) return event;
    if (typeof personal !== 'string') throw new Error(`${event.type}: personal data in clear in the log`);
    const opened = await this.sealer.openOrNull(personal, event.stream, { name: nameOf(event) });
    return { ...event, data: { ...event.data, personal: opened, sealed_personal: personal } };
  }

  /** What `decode` would make of the event that was just encoded. */
  known<Event extends DomainEvent>(event: Event, { data: { personal } }: NewEvent): Event {
    return typeof personal === 'string'
      ? { ...event, data: { ...event.data, sealed_personal: personal } }
      : event;
  }
}

const stored = (event: NewEvent<object>, data: object): NewEvent => ({ ...event, data: data as JsonObject });
