import type { UUID } from '@eventstore/db-client/generated/shared_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import statusMessages from '@eventstore/db-client/generated/status_pb.js';
import type {
  BatchAppendReq,
  BatchAppendResp,
  ReadResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { Metadata, status } from '@grpc/grpc-js';
import anyMessages from 'google-protobuf/google/protobuf/any_pb.js';
import type { AppendOutcome, ProposedEvent, StoredEvent } from './stored-log.js';

const TYPE_URLS = 'type.googleapis.com';

export const nameOf = (message: {
  getStreamIdentifier(): { getStreamName_asU8(): Uint8Array } | undefined;
}) => Buffer.from(message.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString();

/** Ids in answers come in two halves, as the server sends them. */
export function structuredId(id: UUID | undefined): UUID {
  const hex = (id?.getString() ?? '').replaceAll('-', '');
  const half = (text: string): string => BigInt.asIntN(64, BigInt(`0x${text}`)).toString();
  const structured = new shared.UUID.Structured();
  structured.setMostSignificantBits(half(hex.slice(0, 16)));
  structured.setLeastSignificantBits(half(hex.slice(16)));
  return new shared.UUID().setStructured(structured);
}

export const proposedEvents = (request: BatchAppendReq): ProposedEvent[] =>
  request.getProposedMessagesList().map((message) => ({
    id: message.getId()?.getString() ?? '',
    type: message.getMetadataMap().get('type') ?? '',
    contentType: message.getMetadataMap().get('content-type') ?? '',
    data: message.getData_asU8(),
    metadata: message.getCustomMetadata_asU8(),
  }));

function answerTo(request: BatchAppendReq): BatchAppendResp {
  const answer = new streams.BatchAppendResp();
  answer.setCorrelationId(structuredId(request.getCorrelationId()));
  return answer.setStreamIdentifier(request.getOptions()?.getStreamIdentifier());
}

export function appendAnswer(request: BatchAppendReq, outcome: AppendOutcome): BatchAppendResp {
  if (outcome.kind === 'conflict') return conflictAnswer(request, outcome.actual);
  const position = new shared.AllStreamPosition();
  position.setCommitPosition(String(outcome.position)).setPreparePosition(String(outcome.position));
  const success = new streams.BatchAppendResp.Success();
  success.setCurrentRevision(String(outcome.revision)).setPosition(position as never);
  return answerTo(request).setSuccess(success);
}

function conflictAnswer(request: BatchAppendReq, actual: number): BatchAppendResp {
  const wrong = new shared.WrongExpectedVersion();
  if (actual < 0) wrong.setCurrentNoStream(new shared.Empty() as never);
  else wrong.setCurrentStreamRevision(String(actual));
  return errorAnswer(request, 'WrongExpectedVersion', wrong.serializeBinary());
}

export function tooLargeAnswer(request: BatchAppendReq, limit: number): BatchAppendResp {
  const size = new shared.MaximumAppendSizeExceeded();
  return errorAnswer(request, 'MaximumAppendSizeExceeded', size.setMaxappendsize(limit).serializeBinary());
}

/** As the server reports that it is busy, or that there is no leader just now. */
export function notHandledAnswer(request: BatchAppendReq, message: string): BatchAppendResp {
  const answer = errorAnswer(request, 'Empty', new Uint8Array());
  answer.getError()?.setMessage(message);
  return answer;
}

function errorAnswer(request: BatchAppendReq, name: string, details: Uint8Array): BatchAppendResp {
  const any = new anyMessages.Any();
  any.pack(details, `event_store.client.${name}`, TYPE_URLS);
  const error = new statusMessages.Status();
  error.setDetails(any);
  return answerTo(request).setError(error);
}

export function eventAnswer(event: StoredEvent): ReadResp {
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent();
  recorded.setId(new shared.UUID().setString(event.id));
  recorded.setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(event.stream)));
  recorded.setStreamRevision(String(event.revision));
  recorded.setCommitPosition(String(event.position)).setPreparePosition(String(event.position));
  recorded.setData(event.data).setCustomMetadata(event.metadata);
  recorded
    .getMetadataMap()
    .set('type', event.type)
    .set('content-type', event.contentType)
    .set('created', '0');
  const read = new streams.ReadResp.ReadEvent();
  read.setEvent(recorded).setCommitPosition(String(event.position));
  return new streams.ReadResp().setEvent(read);
}

/** As KurrentDB issue 3989 shows them: where the next record begins, and no prepare position. */
export function checkpointAnswer(position: bigint): ReadResp {
  const checkpoint = new streams.ReadResp.Checkpoint();
  checkpoint.setCommitPosition(String(position)).setPreparePosition('0');
  return new streams.ReadResp().setCheckpoint(checkpoint);
}

export function streamNotFoundAnswer(stream: string): ReadResp {
  const notFound = new streams.ReadResp.StreamNotFound();
  notFound.setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(stream)));
  return new streams.ReadResp().setStreamNotFound(notFound);
}

export const confirmationAnswer = (id: string): ReadResp =>
  new streams.ReadResp().setConfirmation(
    new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId(id),
  );

export const caughtUpAnswer = (): ReadResp =>
  new streams.ReadResp().setCaughtUp(new streams.ReadResp.CaughtUp());

export const unavailableError = () => ({ code: status.UNAVAILABLE, details: 'the server shuts down' });

/** As a follower answers who asked for the leader. */
export function notLeaderError({ host, port }: { host: string; port: number }) {
  const metadata = new Metadata();
  metadata.set('exception', 'not-leader');
  metadata.set('leader-endpoint-host', host);
  metadata.set('leader-endpoint-port', String(port));
  return { code: status.NOT_FOUND, details: 'Leader info available', metadata };
}
