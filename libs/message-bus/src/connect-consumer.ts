import { Catch, type INestApplication, type RpcExceptionFilter } from '@nestjs/common';
import { NestMicroservice } from '@nestjs/microservices';
import { type Observable, throwError } from 'rxjs';
import type { BusServer } from './message-bus.js';

/** Hands a handler's error to the bus as it was thrown; Nest's own filter logs its text and drops its kind. */
@Catch()
export class HandlerErrorFilter implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/**
 * Binds a bus server to the application's `@EventPattern(type, transportId)` handlers, which then decide by
 * the kind of the error they throw what becomes of a message. It consumes from `startAllMicroservices()` on,
 * which belongs after `init()`. The application's HTTP filters, guards and pipes don't apply to it.
 */
export function connectConsumer(app: INestApplication, server: BusServer): void {
  const microservice = app.connectMicroservice({ strategy: server }, { deferInitialization: true });
  if (!(microservice instanceof NestMicroservice)) throw new Error('not a Nest microservice');
  // Nest binds the handlers when it connects, before a filter could be added, so its own steps are done here.
  microservice.useGlobalFilters(new HandlerErrorFilter());
  microservice.registerListeners();
  microservice.setIsInitialized(true);
  microservice.setIsInitHookCalled(true);
}
