import { Module } from '@nestjs/common';
import { Aggregates } from '#event-store';
import { OtherServices } from '#platform';
import { ServiceController } from './http/service.controller.js';
import { lifecycleMessage } from './policies/lifecycle-messages.js';
import { TenantUsersModule } from './tenant-users.module.js';

/** This service in a process of its own: it answers what the others ask, and tells them at once what they must not miss. */
@Module({ imports: [TenantUsersModule], controllers: [ServiceController] })
export class ServiceModule {
  constructor(aggregates: Aggregates, others: OtherServices) {
    aggregates.onAppended(async (events) => {
      const messages = events.map(lifecycleMessage).filter((message) => message !== undefined);
      await others.tell(messages.map(({ message }) => message));
    });
  }
}
