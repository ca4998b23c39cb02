import type { JsonObject, NewEvent, RecordedEvent } from '#kernel';
import type { Sealer } from './sealer.js';

/** The convention of events about a person; `personal` is a sealed string in the log. */
interface PersonalData {
  personal?: unknown;
  /** The id of the subject's key. */
  subject_key?: unknown;
}

/**
 * Keeps personal data out of the log in clear. An event whose data has an object `personal` and a string
 * `subject_key` is stored with `personal` sealed for its stream, and comes back with it opened, or with null
 * once the key is destroyed. Any other event passes as it is. `personal` without a key, or in clear in the log,
 * is a broken invariant and throws.
 */
export class PersonalDataCodec {
  constructor(private readonly sealer: Sealer) {}

  async encode(event: NewEvent<object>, stream: string): Promise<NewEvent> {
    const { personal, subject_key }: PersonalData = event.data;
    if (personal === undefined || personal === null) return event as NewEvent;
    if (typeof personal !== 'object' || typeof subject_key !== 'string') {
      throw new Error(`${event.type}: personal data must be an object beside a subject_key`);
    }
    const sealed = await this.sealer.seal(subject_key, stream, personal as JsonObject);
    return { ...event, data: { ...event.data, personal: sealed } };
  }

  async decode(event: RecordedEvent): Promise<RecordedEvent<object>> {
    const { personal }: PersonalData = event.data;
    if (personal === undefined || personal === null) return event;
    if (typeof personal !== 'string') throw new Error(`${event.type}: personal data in clear in the log`);
    return { ...event, data: { ...event.data, personal: await this.sealer.open(personal, event.stream) } };
  }
}
