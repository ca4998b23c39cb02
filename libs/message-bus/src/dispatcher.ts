import { type Message, TOPICS, validateMessage } from '#contracts';
import { type Clock, inLanes, systemClock, TenantryError } from '#kernel';
import { type BusLogger, framesOf } from './bus-logger.js';
import { deadLetterOf, type FailedDelivery } from './dead-letter.js';
import type { MessageContext, MessagePublisher } from './message-bus.js';
import { backOff, DEFAULT_RETRY_POLICY, errorName, type RetryPolicy, shouldRetry } from './retry-policy.js';

export type Handle = (context: MessageContext) => Promise<void>;

export interface DispatcherOptions {
  group: string;
  /** Nobody for what is none of the group's. */
  handlersOf(message: Message<object>): readonly Handle[];
  /** Where dead letters go. */
  publisher: MessagePublisher;
  logger: BusLogger;
  clock?: Clock;
  retry?: RetryPolicy;
}

/** Subjects in work at once. */
const MAX_LANES = 128;

interface Item {
  message: Message<object>;
  done: boolean;
}

/**
 * Brings batches of messages to their handlers, whichever bus they came by: one after the other for each
 * subject, different subjects side by side. A message is done with when every handler of its type took it or,
 * for a handler that kept failing, when it stands in the dead-letter topic. Handlers never fail the caller.
 */
export class Dispatcher {
  private readonly deadLetters = new Map<string, number>();
  private readonly retry: RetryPolicy;

  constructor(private readonly options: DispatcherOptions) {
    this.retry = options.retry ?? DEFAULT_RETRY_POLICY;
  }

  /** Messages of the topic dead-lettered since the start. */
  deadLettered(topic: string): number {
    return this.deadLetters.get(topic) ?? 0;
  }

  /**
   * Answers how many messages, counted from the first without a gap, are done with: all of them, unless
   * `signal` cut short the wait for another try.
   */
  async dispatch(topic: string, messages: readonly Message<object>[], signal: AbortSignal): Promise<number> {
    const items = messages.map((message) => ({
      message,
      done: this.options.handlersOf(message).length === 0,
    }));
    const handled = items.filter(({ done }) => !done);
    const lanes = Map.groupBy(handled, ({ message }) => message.subject);
    await inLanes(lanes.values(), MAX_LANES, (lane) => this.runLane(topic, lane, signal));
    const firstOpen = items.findIndex((item) => !item.done);
    return firstOpen === -1 ? items.length : firstOpen;
  }

  /** Dead-letters what came in no readable form. False when `signal` cut short the wait for another try. */
  refuse(topic: string, message: Message<object>, signal: AbortSignal): Promise<boolean> {
    const unreadable = new TenantryError('invalid_input', 'the message cannot be read');
    return this.giveUp({ message, topic, group: this.options.group, attempt: 1 }, unreadable, signal);
  }

  private async runLane(topic: string, lane: readonly Item[], signal: AbortSignal): Promise<void> {
    for (const item of lane) {
      item.done = await this.deliver(topic, item.message, signal);
      if (!item.done) return;
    }
  }

  private async deliver(topic: string, message: Message<object>, signal: AbortSignal): Promise<boolean> {
    const handlers = this.options.handlersOf(message);
    const errors = validateMessage(message);
    const first = { message, topic, group: this.options.group, attempt: 1 };
    if (errors.length > 0) {
      const malformed = new TenantryError('invalid_input', 'the message does not fit its schema', { errors });
      return this.giveUp(first, malformed, signal);
    }
    const [only] = handlers;
    if (only && handlers.length === 1) return this.run(only, first, signal);
    const results = await Promise.all(handlers.map((handle) => this.run(handle, first, signal)));
    return results.every(Boolean);
  }

  private async run(handle: Handle, first: MessageContext, signal: AbortSignal): Promise<boolean> {
    for (let context = first; ; context = { ...context, attempt: context.attempt + 1 }) {
      try {
        await handle(context);
        return true;
      } catch (error) {
        if (!shouldRetry(error, context.attempt, this.retry)) return this.giveUp(context, error, signal);
        if (context.attempt === 1)
          this.options.logger.warn(entry('message failed, trying again', context, error));
        if (!(await backOff(context.attempt, this.retry, signal))) return false;
      }
    }
  }

  private async giveUp(context: MessageContext, error: unknown, signal: AbortSignal): Promise<boolean> {
    const { attempt: attempts, ...origin } = context;
    const stored = await this.storeDeadLetter({ ...origin, attempts, error: errorName(error) }, signal);
    if (!stored) return false;
    this.deadLetters.set(context.topic, this.deadLettered(context.topic) + 1);
    this.options.logger.error(entry('message dead-lettered', context, error));
    return true;
  }

  /** A dead letter that can't be stored just now is waited for: the message must not get lost. */
  private async storeDeadLetter(failed: FailedDelivery, signal: AbortSignal): Promise<boolean> {
    // A dead letter that can't be handled is already where it belongs; storing it again would never end.
    if (failed.topic === TOPICS.deadLetter) return true;
    const deadLetter = deadLetterOf(failed, this.options.clock ?? systemClock);
    for (let attempt = 1; ; attempt++) {
      try {
        await this.options.publisher.publish(TOPICS.deadLetter, [deadLetter]);
        return true;
      } catch (error) {
        this.options.logger.error(
          entry('dead letter not stored, trying again', { ...failed, attempt }, error),
        );
        if (!(await backOff(attempt, this.retry, signal))) return false;
      }
    }
  }
}

function entry(text: string, context: MessageContext, error: unknown): object {
  const { message, topic, group, attempt } = context;
  return {
    message: text,
    topic,
    group,
    attempt,
    messageId: message.id,
    type: message.type,
    correlationId: message.correlationId,
    error: errorName(error),
    ...(error instanceof TenantryError ? { fields: error.details.errors } : { frames: framesOf(error) }),
  };
}
