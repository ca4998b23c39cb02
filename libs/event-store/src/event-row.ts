import { invalidInput, type JsonObject, type NewEvent, type RecordedEvent, TenantryError } from '#kernel';
import type { ExpectedRevision } from './event-store.js';
import type { AppendRequest, EventRow } from './sqlite/log-file.js';

const MAX_APPEND_BYTES = 1_048_576;
/** A category without hyphens, a hyphen, an id; printable ASCII, so that it is stored exactly as it is compared. */
const STREAM_NAME = /^[A-Za-z][A-Za-z0-9_]*-[!-~]{1,200}$/;
const NO_STREAM = -1;

interface Place {
  stream: string;
  revision: number;
  position: number;
}

export const revisionNumber = (revision: ExpectedRevision): number =>
  revision === 'no_stream' ? NO_STREAM : revision;

export const expectedRevision = (revision: number): ExpectedRevision =>
  revision === NO_STREAM ? 'no_stream' : revision;

/** Throws `invalid_input`, above 1 MiB of data and metadata with code `payload_too_large`. */
export function appendRequest(
  stream: string,
  expected: ExpectedRevision,
  events: readonly NewEvent[],
): { request: AppendRequest; bytes: number } {
  if (!STREAM_NAME.test(stream)) throw invalidInput('stream', 'must be category-id in printable ASCII');
  if (events.length === 0) throw invalidInput('events', 'must hold at least one event');
  let bytes = 0;
  const rows = events.map(({ id, type, at, ...content }): EventRow => {
    const data = jsonText(content.data);
    const metadata = jsonText(content.metadata);
    bytes += Buffer.byteLength(data) + Buffer.byteLength(metadata);
    return [id, type, at, data, metadata];
  });
  if (bytes > MAX_APPEND_BYTES) {
    throw new TenantryError('invalid_input', 'the events of one append are larger than 1 MiB', {
      code: 'payload_too_large',
    });
  }
  return { request: { stream, expected: revisionNumber(expected), rows }, bytes };
}

/** What was sealed for the events, as `AppendRequest` has it. */
export const openedTexts = (events: readonly NewEvent[]): [sealed: string, clear: string][] =>
  events.flatMap((event) => {
    const opened = event.opened?.();
    return opened ? [[opened.sealed, jsonText(opened.clear)]] : [];
  });

/** V8 walks the value recursively, and some thousand levels exhaust its stack. */
function jsonText(value: object): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) throw invalidInput('events', 'are nested too deeply');
    throw error;
  }
}

/** Throws where the text is damaged. */
export const recordedEvent = ([id, type, at, data, metadata]: EventRow, place: Place): RecordedEvent => ({
  stream: place.stream,
  revision: place.revision,
  position: BigInt(place.position),
  id,
  type,
  at,
  data: JSON.parse(data),
  metadata: JSON.parse(metadata),
});

/**
 * Made from the stored text, so that an event handed over live equals the one that is read back. The text is parsed
 * when it is looked at: most followers pass most events over by their type.
 */
export function liveEvent([id, type, at, data, metadata]: EventRow, place: Place): RecordedEvent {
  let parsedData: JsonObject | undefined;
  let parsedMetadata: RecordedEvent['metadata'] | undefined;
  return {
    stream: place.stream,
    revision: place.revision,
    position: BigInt(place.position),
    id,
    type,
    at,
    get data() {
      parsedData ??= JSON.parse(data) as JsonObject;
      return parsedData;
    },
    get metadata() {
      parsedMetadata ??= JSON.parse(metadata) as RecordedEvent['metadata'];
      return parsedMetadata;
    },
  };
}
