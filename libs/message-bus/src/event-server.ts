import { type MessageHandler, type MsPattern, Server } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import type { Message } from '#contracts';
import type { Handle } from './dispatcher.js';
import type { MessageContext } from './message-bus.js';

/** What an `@EventPattern` may say beside its type. */
export interface PatternExtras {
  /** Which messages are nothing to the handler: they pass without being checked or handed to it. */
  skips?(data: { readonly [field: string]: unknown }): boolean;
}

interface Handler extends PatternExtras {
  handle: Handle;
}

/**
 * The part of a Nest transport that all buses share: it keeps the `@EventPattern` handlers that Nest binds to
 * it. Nest's own chain of handlers of one pattern fails them together; here each one fails for itself.
 */
export abstract class EventServer extends Server {
  /** Without it Nest logs the failures of handlers itself, text included. */
  override readonly propagatesEventHandlerErrors = true;
  private readonly handlers = new Map<string, Handler[]>();

  override addHandler(
    pattern: MsPattern,
    callback: MessageHandler,
    isEventHandler = false,
    { skips }: PatternExtras = {},
  ): void {
    if (!isEventHandler) throw new Error(`${String(pattern)}: the bus carries events, not requests`);
    const route = this.normalizePattern(pattern);
    const handle = (context: MessageContext) => run(callback, context);
    this.handlers.set(route, [...(this.handlers.get(route) ?? []), { handle, ...(skips && { skips }) }]);
  }

  /** The message types that have a handler. */
  protected get types(): string[] {
    return [...this.handlers.keys()];
  }

  protected isHandled(type: string): boolean {
    return this.handlers.has(type);
  }

  protected handlersOf({ type, data }: Message<object>): Handle[] {
    const handlers = this.handlers.get(type) ?? [];
    return handlers.filter(({ skips }) => !skips?.(Object(data))).map(({ handle }) => handle);
  }

  override on(): never {
    throw new Error('the bus emits no events of its own');
  }

  override unwrap(): never {
    throw new Error('the bus wraps no client');
  }
}

/** A handler may answer with a promise, an observable or a promise of one; it has run when that has ended. */
async function run(callback: MessageHandler, context: MessageContext): Promise<void> {
  const result: unknown = await callback(context.message.data, context);
  if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
}
