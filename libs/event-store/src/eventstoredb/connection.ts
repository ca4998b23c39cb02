import type { Duplex, Readable } from 'node:stream';
import { EventStoreDBClient } from '@eventstore/db-client';
import grpcStreams from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { type AnswerStream, PulledStream } from './pulled-stream.js';

/** The generated client of the server's streams, as far as it is used. */
interface StreamsClient {
  read(request: ReadReq, metadata: object, options: object): AnswerStream;
  batchAppend(metadata: object, options: object): Duplex & { cancel(): void };
  close(): void;
}

/** What the client's own commands are made of; its types keep them to itself. */
interface ClientParts {
  GRPCStreamCreator<Stream extends Readable>(
    service: unknown,
    name: string,
    create: (client: StreamsClient) => Stream,
  ): () => Promise<Stream>;
  callArguments(base: { requiresLeader: boolean }, call: { deadline: number }): [object, object];
  handleError(client: unknown, error: Error): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * The client with its discovery, credentials and channel. Calls are opened on its parts rather than with its
 * commands, whose promises and listeners can end the process when a stream breaks (ADR 9).
 */
export class Connection {
  private client: ClientParts;
  private readonly channels = new Set<StreamsClient>();
  private isClosed = false;

  constructor(private readonly connectionString: string) {
    this.client = this.connect();
  }

  async read(request: ReadReq): Promise<PulledStream<ReadResp>> {
    return new PulledStream(
      await this.open((client, [metadata, options]) => client.read(request, metadata, options)),
    );
  }

  batchAppend(): Promise<Duplex & { cancel(): void }> {
    return this.open((client, [metadata, options]) => client.batchAppend(metadata, options));
  }

  /** Gives up the channel, whose server does not answer, and finds one anew at the next call. */
  reconnect(): void {
    if (this.isClosed) return;
    const given = this.client;
    this.client = this.connect();
    this.retire(given);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.client.dispose();
    for (const channel of this.channels) channel.close();
    this.channels.clear();
  }

  /** Always on the leader: what was acknowledged is then read. */
  private async open<Stream extends Readable>(
    create: (client: StreamsClient, call: [object, object]) => Stream,
  ): Promise<Stream> {
    const { client } = this;
    const call = client.callArguments({ requiresLeader: true }, { deadline: Number.POSITIVE_INFINITY });
    const make = client.GRPCStreamCreator(grpcStreams.StreamsClient, 'streams', (streams: StreamsClient) => {
      this.channels.add(streams);
      const stream = create(streams, call);
      stream.on('error', () => undefined);
      return stream;
    });
    try {
      return await make();
    } catch (error) {
      // The client keeps a channel that it could not make, and would answer every later call with its error.
      if (this.client === client) this.reconnect();
      throw error;
    }
  }

  private connect(): ClientParts {
    const client = EventStoreDBClient.connectionString(this.connectionString) as unknown as ClientParts;
    const handleError = client.handleError.bind(client);
    // It is not awaited where it is called, and rejects when a channel could not be made.
    client.handleError = (failed, error) => handleError(failed, error).catch(() => undefined);
    return client;
  }

  private retire(client: ClientParts): void {
    for (const channel of this.channels) channel.close();
    this.channels.clear();
    void client.dispose().catch(() => undefined);
  }
}
