import type { EachBatchPayload, KafkaMessage } from 'kafkajs';
import type { Message } from '#contracts';
import type { Dispatcher } from '../dispatcher.js';
import { header, REPLAY_GROUP_HEADER, shellOf, toMessage } from './cloud-event.js';

/** Where a message stands in Kafka. */
export interface Origin {
  topic: string;
  partition: number;
  offset: string;
  /** False where the record was no message. */
  readable: boolean;
}

export interface BatchHandling {
  group: string;
  topic: string;
  dispatcher: Dispatcher;
  isHandled(type: string): boolean;
  /** Filled in, for the headers of dead letters. */
  origins: WeakMap<object, Origin>;
  closing: AbortSignal;
  heartbeatIntervalMs: number;
}

const CHUNK_SIZE = 256;

/**
 * Has the records of one partition handled, in chunks, and resolves the offsets of what is done. It keeps the
 * group's membership alive while handlers run or wait; when that fails, as at a rebalance, it ends early.
 */
export async function handleBatch(payload: EachBatchPayload, handling: BatchHandling): Promise<void> {
  const { batch, heartbeat, resolveOffset, commitOffsetsIfNecessary, isRunning, isStale } = payload;
  const lost = new AbortController();
  const beating = setInterval(() => {
    heartbeat().catch((error: unknown) => lost.abort(error));
  }, handling.heartbeatIntervalMs);
  const signal = AbortSignal.any([handling.closing, lost.signal]);
  try {
    for (let start = 0; start < batch.messages.length; start += CHUNK_SIZE) {
      if (signal.aborted || isStale() || !isRunning()) break;
      const chunk = batch.messages.slice(start, start + CHUNK_SIZE);
      const done = await handleChunk(chunk, { ...handling, signal, partition: batch.partition });
      const last = chunk[done - 1];
      if (last) resolveOffset(last.offset);
      if (done < chunk.length) break;
      await commitOffsetsIfNecessary();
    }
  } finally {
    clearInterval(beating);
  }
  lost.signal.throwIfAborted();
}

/** Answers how many records, counted from the first without a gap, are done with. */
async function handleChunk(
  chunk: readonly KafkaMessage[],
  handling: BatchHandling & { signal: AbortSignal; partition: number },
): Promise<number> {
  const { topic, partition, group, dispatcher, isHandled, origins, signal } = handling;
  const messages: Message<object>[] = [];
  const indexes: number[] = [];
  for (const [index, record] of chunk.entries()) {
    const { headers, offset } = record;
    const type = header(headers, 'ce_type');
    if (type !== undefined && !isHandled(type)) continue;
    if ((header(headers, REPLAY_GROUP_HEADER) ?? group) !== group) continue;
    const read = toMessage(record);
    const message = read ?? shellOf(record, `${topic}/${partition}/${offset}`);
    origins.set(message, { topic, partition, offset, readable: read !== undefined });
    if (read) {
      messages.push(read);
      indexes.push(index);
    } else if (!(await dispatcher.refuse(topic, message, signal))) return 0;
  }
  const handled = await dispatcher.dispatch(topic, messages, signal);
  return indexes[handled] ?? chunk.length;
}
