import type { Duplex } from 'node:stream';
import type { BatchAppendResp } from '@eventstore/db-client/generated/streams_pb.js';
import { unavailable } from '#kernel';
import type { Connection } from './connection.js';
import { NoAnswer } from './failures.js';
import { inTime } from './in-time.js';
import { type Append, type Appended, answeredId, appended, appendRequest } from './protocol.js';

const MAX_PENDING = 10_000;

interface Pending {
  resolve(result: Appended): void;
  reject(error: unknown): void;
}

interface OpenStream {
  stream: Duplex & { cancel(): void };
  pending: Map<string, Pending>;
}

/**
 * Sends appends over one stream of the server's batch append, each with a timer of its own. What a stream that
 * breaks leaves open is rejected, and the next append opens another; a stream knows only its own appends.
 */
export class AppendStream {
  private current: Promise<OpenStream> | undefined;
  private pending = 0;

  constructor(
    private readonly connection: Connection,
    private readonly timeoutMs: number,
  ) {}

  /** Rejects with NoAnswer after the time-out; whether the events are stored is then not known. */
  async send(append: Append): Promise<Appended> {
    if (this.pending >= MAX_PENDING) throw unavailable('too many appends are waiting for the event log');
    this.pending += 1;
    this.current ??= this.open();
    const used = this.current;
    try {
      return await inTime(attempt(used, append), this.timeoutMs);
    } catch (error) {
      if (error instanceof NoAnswer && this.current === used) this.abandon(used, error);
      throw error;
    } finally {
      this.pending -= 1;
    }
  }

  /** Leaves a server that does not answer. The other appends under way are rejected, to be tried again at once. */
  private abandon(used: Promise<OpenStream>, reason: Error): void {
    this.current = undefined;
    used.then(
      (open) => {
        fail(open, reason);
        open.stream.cancel();
      },
      () => undefined,
    );
    this.connection.reconnect();
  }

  private open(): Promise<OpenStream> {
    const forget = (): void => {
      if (this.current === opening) this.current = undefined;
    };
    const opening = this.connection.batchAppend().then((stream) => {
      const open: OpenStream = { stream, pending: new Map() };
      const end = (error: Error): void => {
        forget();
        fail(open, error);
      };
      stream.on('data', (response: BatchAppendResp) => answer(open, response));
      stream.on('error', end);
      stream.on('end', () => end(new Error('the event log ended the stream of appends')));
      stream.on('close', () => end(new Error('the event log closed the stream of appends')));
      return open;
    });
    opening.catch(forget);
    return opening;
  }
}

async function attempt(opening: Promise<OpenStream>, append: Append): Promise<Appended> {
  const { stream, pending } = await opening;
  const { id, request } = appendRequest(append);
  return new Promise((resolve, reject) => {
    if (stream.destroyed) return reject(new Error('the stream of appends was closed'));
    pending.set(id, { resolve, reject });
    stream.write(request);
  });
}

function answer({ pending }: OpenStream, response: BatchAppendResp): void {
  const id = answeredId(response);
  const waiting = pending.get(id);
  pending.delete(id);
  try {
    waiting?.resolve(appended(response));
  } catch (error) {
    waiting?.reject(error);
  }
}

function fail({ pending }: OpenStream, error: Error): void {
  for (const { reject } of pending.values()) reject(error);
  pending.clear();
}
