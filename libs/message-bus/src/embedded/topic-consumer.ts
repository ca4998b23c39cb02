import { setImmediate as nextTurn } from 'node:timers/promises';
import { type BusLogger, framesOf } from '../bus-logger.js';
import type { Dispatcher } from '../dispatcher.js';
import type { ConsumerStatus } from '../message-bus.js';
import { backOff, errorName, type RetryPolicy } from '../retry-policy.js';
import type { BatchReader, MessageLog } from './message-log.js';

export interface TopicConsumerOptions {
  group: string;
  topic: string;
  types: readonly string[];
  log: MessageLog;
  dispatcher: Dispatcher;
  logger: BusLogger;
  retry: RetryPolicy;
}

/** How long an offset may go unsaved: after a crash, what was handled in that time comes again. */
const SAVE_WITHIN_MS = 20;
/** The same where it moved only past messages that nobody handles. */
const LAZY_SAVE_WITHIN_MS = 200;

/** Follows one topic for one group: reads a batch, has it handled, saves the offset. */
export class TopicConsumer {
  private readonly stopping = new AbortController();
  private readonly reader: BatchReader;
  private readonly stopListening: () => void;
  private readonly ended: Promise<void>;
  private offset: number;
  private nextSave: NodeJS.Timeout | undefined;
  private resume: () => void = () => {};
  private closed: Promise<void> | undefined;

  constructor(private readonly options: TopicConsumerOptions) {
    const { log, group, topic, types } = options;
    this.offset = log.savedOffset(group, topic);
    this.reader = log.reader(topic, types);
    this.stopListening = log.onAppend((grown) => {
      if (grown === topic) this.resume();
    });
    void this.save();
    this.ended = this.run();
  }

  status(): ConsumerStatus {
    const { group, topic, log, dispatcher } = this.options;
    return {
      group,
      topic,
      lag: Math.max(0, log.head(topic) - this.offset),
      deadLettered: dispatcher.deadLettered(topic),
      state: this.stopping.signal.aborted ? 'stopped' : 'running',
    };
  }

  /** Finishes the batch under way, but waits for no further try, and saves the offset. */
  close(): Promise<void> {
    this.closed ??= this.finish();
    return this.closed;
  }

  private async finish(): Promise<void> {
    this.stopping.abort();
    this.resume();
    await this.ended;
    this.stopListening();
    await this.save();
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    await nextTurn();
    for (let failures = 0; !signal.aborted; ) {
      try {
        const moved = await this.handleNextBatch();
        failures = 0;
        await (moved ? nextTurn() : this.untilGrown());
      } catch (error) {
        this.report('messages could not be read, trying again', error);
        await backOff(++failures, this.options.retry, signal);
      }
    }
  }

  private async handleNextBatch(): Promise<boolean> {
    const { dispatcher, topic } = this.options;
    const { messages, offsets, upTo } = this.reader.read(this.offset);
    if (upTo === this.offset) return false;
    const handled = await dispatcher.dispatch(topic, messages, this.stopping.signal);
    this.offset = handled === messages.length ? upTo : (offsets[handled] ?? upTo) - 1;
    this.nextSave ??= setTimeout(() => void this.save(), handled > 0 ? SAVE_WITHIN_MS : LAZY_SAVE_WITHIN_MS);
    return true;
  }

  /** Never fails: an offset that is not saved means that messages come again. */
  private async save(): Promise<void> {
    const { log, group, topic } = this.options;
    clearTimeout(this.nextSave);
    this.nextSave = undefined;
    try {
      await log.saveOffset(group, topic, this.offset);
    } catch (error) {
      this.report('offset not saved', error);
    }
  }

  private async untilGrown(): Promise<void> {
    if (this.stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.resume = resolve;
    });
  }

  private report(message: string, error: unknown): void {
    const { logger, group, topic } = this.options;
    logger.error({ message, group, topic, error: errorName(error), frames: framesOf(error) });
  }
}
