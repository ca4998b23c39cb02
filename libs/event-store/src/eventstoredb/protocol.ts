import { randomUUID } from 'node:crypto';
import type { UUID } from '@eventstore/db-client/generated/shared_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import type {
  BatchAppendReq,
  BatchAppendResp,
  ReadReq,
  ReadResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { RecordedEvent } from '#kernel';
import { recordedEvent } from '../event-row.js';
import type { PageRange } from '../pages.js';
import type { EventRow } from '../sqlite/log-file.js';
import { AccessDenied, Refused, tooLarge, WrongRevision } from './failures.js';

const { Options } = streams.ReadReq;
const BACKWARDS = 1;
/** Where the server says that it does not know an event's position. */
const NO_POSITION = 0xffff_ffff_ffff_ffffn;
/** A filtered subscription tells how far it has looked every so many times 32 events. */
const CHECKPOINT_INTERVAL = 2;
const NOT_OF_THE_SYSTEM = '^[^$].*';
const ERRORS = 'event_store.client.';

export interface Append {
  stream: string;
  /** -1 for a stream that does not exist. */
  expected: number;
  rows: readonly EventRow[];
}

/** Where an append stands; `position` is that of its last event, where the server says so. */
export interface Appended {
  revision: number;
  position: number | undefined;
}

/** An event of any stream, not yet opened. */
export interface LogEntry {
  stream: string;
  position: number | undefined;
  /** Undefined for an event that this service did not write. */
  open(): RecordedEvent | undefined;
  bytes: number;
}

/** The request and the id that its answer will carry. */
export function appendRequest({ stream, expected, rows }: Append): { id: string; request: BatchAppendReq } {
  const id = randomUUID();
  const options = new streams.BatchAppendReq.Options();
  options.setStreamIdentifier(streamIdentifier(stream));
  if (expected < 0) options.setNoStream(new shared.Empty() as never);
  else options.setStreamPosition(String(expected));
  const request = new streams.BatchAppendReq();
  request.setCorrelationId(uuid(id)).setOptions(options).setIsFinal(true);
  request.setProposedMessagesList(rows.map(proposedMessage));
  return { id, request };
}

function proposedMessage([id, type, at, data, metadata]: EventRow): BatchAppendReq.ProposedMessage {
  const message = new streams.BatchAppendReq.ProposedMessage();
  message.setId(uuid(id)).setData(Buffer.from(data));
  // The time stands with the metadata, in front.
  message.setCustomMetadata(
    Buffer.from(`{"at":${JSON.stringify(at)}${metadata === '{}' ? '' : ','}${metadata.slice(1)}`),
  );
  message.getMetadataMap().set('type', type).set('content-type', 'application/json');
  return message;
}

export const answeredId = (response: BatchAppendResp): string => uuidText(response.getCorrelationId());

/** Throws what the server refused the append for. */
export function appended(response: BatchAppendResp): Appended {
  const success = response.getSuccess();
  if (!success) throw refusal(response);
  const position = success.getPosition()?.getCommitPosition();
  return {
    revision: Number(success.getCurrentRevision()),
    position: position === undefined ? undefined : Number(position),
  };
}

function refusal(response: BatchAppendResp): Error {
  const error = response.getError();
  const details = error?.getDetails();
  const name = details?.getTypeName() ?? '';
  if (name === `${ERRORS}WrongExpectedVersion`) {
    const found = details?.unpack(shared.WrongExpectedVersion.deserializeBinary, name);
    const revision = found?.hasCurrentStreamRevision()
      ? BigInt(found.getCurrentStreamRevision())
      : NO_POSITION;
    return new WrongRevision(BigInt.asIntN(64, revision) < 0n ? 'no_stream' : Number(revision));
  }
  if (name === `${ERRORS}MaximumAppendSizeExceeded`) return tooLarge();
  if (name === `${ERRORS}AccessDenied`) return new AccessDenied('the event log denies access to the stream');
  if (name === `${ERRORS}StreamDeleted`) return new Refused('the stream was deleted in the event log');
  if (name === `${ERRORS}BadRequest`) return new Refused('the event log refuses the request');
  // Time-outs, a server that starts or is busy, no leader: the same append may be sent again.
  return new Error(`the event log answered: ${error?.getMessage() || name || 'nothing'}`);
}

export function readStreamRequest(stream: string, { from, limit, backwards }: PageRange): ReadReq {
  const place = new Options.StreamOptions();
  place.setStreamIdentifier(streamIdentifier(stream));
  if (from === Number.MAX_SAFE_INTEGER) place.setEnd(new shared.Empty());
  else place.setRevision(String(from));
  return readRequest((options) => {
    options.setStream(place).setCount(String(limit)).setNoFilter(new shared.Empty());
    if (backwards) options.setReadDirection(BACKWARDS);
  });
}

/** The last events of the log, newest first; the system's own are left out where `isFiltered`. */
export function readLastRequest(count: number, { isFiltered }: { isFiltered: boolean }): ReadReq {
  const place = new Options.AllOptions();
  place.setEnd(new shared.Empty());
  return readRequest((options) => {
    options.setAll(place).setCount(String(count)).setReadDirection(BACKWARDS);
    if (isFiltered) options.setFilter(filter(undefined));
    else options.setNoFilter(new shared.Empty());
  });
}

/** Everything after the position, or what streams with one of the prefixes hold, and what is to come. */
export function subscribeRequest(after: number, prefixes?: readonly string[]): ReadReq {
  const place = new Options.AllOptions();
  const position = new Options.Position();
  position.setCommitPosition(String(after)).setPreparePosition(String(after));
  if (after > 0) place.setPosition(position);
  else place.setStart(new shared.Empty());
  return readRequest((options) => {
    options.setAll(place).setSubscription(new Options.SubscriptionOptions()).setFilter(filter(prefixes));
  });
}

function readRequest(fill: (options: ReadReq.Options) => void): ReadReq {
  const ids = new Options.UUIDOption();
  ids.setString(new shared.Empty());
  const options = new Options();
  options.setUuidOption(ids).setResolveLinks(false);
  fill(options);
  return new streams.ReadReq().setOptions(options);
}

/** Of streams with one of the prefixes; without any, everything that the system did not write itself. */
function filter(prefixes: readonly string[] | undefined): ReadReq.Options.FilterOptions {
  const expression = new Options.FilterOptions.Expression();
  const chosen = new Options.FilterOptions();
  chosen.setCount(new shared.Empty()).setCheckpointintervalmultiplier(CHECKPOINT_INTERVAL);
  if (prefixes) chosen.setStreamIdentifier(expression.setPrefixList([...prefixes]));
  else chosen.setEventType(expression.setRegex(NOT_OF_THE_SYSTEM));
  return chosen;
}

/** Undefined for an answer that is no event; `prefix` is cut off the stream's name. */
export function logEntry(response: ReadResp, prefix: string): LogEntry | undefined {
  const event = response.getEvent()?.getEvent();
  if (!event) return undefined;
  const stored = Buffer.from(event.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString();
  const stream = stored.startsWith(prefix) ? stored.slice(prefix.length) : '';
  const commit = BigInt(event.getCommitPosition());
  const position = commit === NO_POSITION ? undefined : Number(commit);
  const open = () => {
    const metadata = ownMetadata(Buffer.from(event.getCustomMetadata_asU8()).toString());
    if (!metadata) return undefined;
    const { at, ...others } = metadata;
    const data = Buffer.from(event.getData_asU8()).toString();
    const type = event.getMetadataMap().get('type') ?? '';
    const row: EventRow = [uuidText(event.getId()), type, at, data, JSON.stringify(others)];
    return recordedEvent(row, {
      stream,
      revision: Number(event.getStreamRevision()),
      position: position ?? 0,
    });
  };
  return { stream, position, open, bytes: event.getData_asU8().length };
}

/** What others write to the same server may have any metadata, or none. */
function ownMetadata(text: string): { at: string } | undefined {
  try {
    const metadata = JSON.parse(text) as { at?: unknown } | null;
    return typeof metadata?.at === 'string' ? (metadata as { at: string }) : undefined;
  } catch {
    return undefined;
  }
}

function streamIdentifier(stream: string) {
  return new shared.StreamIdentifier().setStreamName(Buffer.from(stream));
}

const uuid = (text: string): UUID => new shared.UUID().setString(text);

/** The server answers with text or with two signed halves. */
function uuidText(id: UUID | undefined): string {
  const structured = id?.getStructured();
  if (!structured) return id?.getString() ?? '';
  const halves = [structured.getMostSignificantBits(), structured.getLeastSignificantBits()];
  const hex = halves.map((half) => BigInt.asUintN(64, BigInt(half)).toString(16).padStart(16, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
