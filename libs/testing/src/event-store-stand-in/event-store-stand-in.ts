import gossip from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import gossipMessages from '@eventstore/db-client/generated/gossip_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import featureMessages from '@eventstore/db-client/generated/serverfeatures_pb.js';
import streamService from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type {
  BatchAppendReq,
  BatchAppendResp,
  ReadReq,
  ReadResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import * as answers from './answers.js';
import { ReadCall } from './read-call.js';
import { StoredLog } from './stored-log.js';

const MAX_APPEND_BYTES = 1_048_576;

/** What it does instead of its duty, for as many appends as are told. */
export type AppendFault =
  /** Stores the events and never answers. */
  | { kind: 'swallow answer' }
  /** Neither stores nor answers. */
  | { kind: 'ignore' }
  /** Answers that it could not be handled, as while there is no leader. */
  | { kind: 'not handled'; message: string }
  /** Stores the events, then ends the stream with an error. */
  | { kind: 'store and break' }
  /** Ends the stream and names the leader. */
  | { kind: 'not leader'; host: string; port: number };

/**
 * A peer that speaks the protocol of EventStoreDB from the client's own service definitions, with its log in
 * memory. It is a stand-in for a server: what is seen with it says nothing of a server's speed or durability.
 */
export class EventStoreStandIn {
  readonly log: StoredLog;
  /** How many answers to reads have been written so far. */
  answersWritten = 0;
  appendsSeen = 0;
  private readonly server = new Server({ 'grpc.max_receive_message_length': 17 * 1_048_576 });
  private readonly reads = new Set<ReadCall>();
  private readonly faults: AppendFault[] = [];
  private isFrozen = false;
  port = 0;

  private constructor(log: StoredLog) {
    this.log = log;
  }

  /** On a free port, unless one is given; over the log of another, it is that server started again. */
  static async start({ port = 0, log = new StoredLog() } = {}): Promise<EventStoreStandIn> {
    const standIn = new EventStoreStandIn(log);
    standIn.serve();
    standIn.port = await new Promise<number>((resolve, reject) => {
      const credentials = ServerCredentials.createInsecure();
      standIn.server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    return standIn;
  }

  get url(): string {
    return `esdb://127.0.0.1:${this.port}?tls=false`;
  }

  /** What befalls the next appends, one each. */
  failAppends(...faults: AppendFault[]): void {
    this.faults.push(...faults);
  }

  /** It lives and takes everything, and answers nothing any more, also on streams that are open. */
  freeze(): void {
    this.isFrozen = true;
    for (const read of this.reads) read.freeze();
  }

  thaw(): void {
    this.isFrozen = false;
  }

  /** Ends every stream of answers: with an error, in good order, or by silence. */
  dropReads(how: 'error' | 'end' | 'silence'): void {
    for (const read of [...this.reads]) {
      if (how === 'silence') read.freeze();
      else read.end(how === 'error' ? answers.unavailableError() : undefined);
    }
  }

  get openReads(): number {
    return this.reads.size;
  }

  /** As kill -9: every connection breaks. */
  kill(): void {
    for (const read of this.reads) read.freeze();
    this.server.forceShutdown();
  }

  private serve(): void {
    this.server.addService(streamService.StreamsService as never, {
      batchAppend: (call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>) => this.batchAppend(call),
      read: (call: ServerWritableStream<ReadReq, ReadResp>) => this.read(call),
    });
    this.server.addService(features.ServerFeaturesService as never, {
      getSupportedMethods: (_: unknown, answer: sendUnaryData<unknown>) => answer(null, supportedMethods()),
    });
    this.server.addService(gossip.GossipService as never, {
      read: (_: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => {
        if (!this.isFrozen) answer(null, clusterOfOne(this.port));
      },
    });
  }

  private batchAppend(call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>): void {
    call.on('data', (request: BatchAppendReq) => {
      if (this.isFrozen) return;
      this.appendsSeen += 1;
      const fault = this.faults.shift();
      if (fault) this.fail(call, request, fault);
      else call.write(this.append(request));
    });
    call.on('end', () => call.end());
    call.on('error', () => undefined);
  }

  private fail(
    call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>,
    request: BatchAppendReq,
    fault: AppendFault,
  ): void {
    if (fault.kind === 'swallow answer' || fault.kind === 'store and break') this.append(request);
    if (fault.kind === 'store and break') call.emit('error', answers.unavailableError());
    if (fault.kind === 'not leader') call.emit('error', answers.notLeaderError(fault));
    if (fault.kind === 'not handled') call.write(answers.notHandledAnswer(request, fault.message));
  }

  private append(request: BatchAppendReq): BatchAppendResp {
    const options = request.getOptions();
    const proposed = answers.proposedEvents(request);
    const bytes = proposed.reduce((sum, { data, metadata }) => sum + data.length + metadata.length, 0);
    if (bytes > MAX_APPEND_BYTES) return answers.tooLargeAnswer(request, MAX_APPEND_BYTES);
    const expected = options?.hasNoStream() ? -1 : Number(options?.getStreamPosition());
    const stream = options ? answers.nameOf(options) : '';
    return answers.appendAnswer(request, this.log.append(stream, expected, proposed));
  }

  private read(call: ServerWritableStream<ReadReq, ReadResp>): void {
    if (this.isFrozen) return;
    const read = new ReadCall(call, this.log, () => {
      this.answersWritten += 1;
    });
    this.reads.add(read);
    void read.run().finally(() => this.reads.delete(read));
  }
}

function supportedMethods() {
  const method = new featureMessages.SupportedMethod();
  method.setServiceName('event_store.client.streams.streams').setMethodName('batchappend');
  return new featureMessages.SupportedMethods()
    .setEventStoreServerVersion('stand-in')
    .setMethodsList([method]);
}

function clusterOfOne(port: number) {
  const member = new gossipMessages.MemberInfo();
  member.setIsAlive(true).setState(gossipMessages.MemberInfo.VNodeState.LEADER).setTimeStamp('0');
  member.setInstanceId(undefined);
  member.setHttpEndPoint(new gossipMessages.EndPoint().setAddress('127.0.0.1').setPort(port));
  return new gossipMessages.ClusterInfo().setMembersList([member]);
}
