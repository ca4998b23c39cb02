import { Global, Module } from '@nestjs/common';
import { TOPICS } from '#contracts';
import type { ConsumerOptions } from '#message-bus';
import { AccountKitDirectory, PlatformKeys, UserDirectory } from '../access/caller.js';
import { ServiceController } from '../services/service.controller.js';
import { CopiedAccountKits, CopiedPlatformKeys, CopiedUsers } from './copied-directories.js';
import { COPIES, CopiesController } from './copies.controller.js';
import { Copies } from './copies.js';
import { TenantUsersClient } from './tenant-users-client.js';

/** A group of its own, so that who may call is known however far the service's own handlers are behind. */
export const copiesConsumer = (service: string): ConsumerOptions => ({
  group: `${service}.copies`,
  topics: [TOPICS.lifecycle],
  transportId: COPIES,
});

/** What a service needs that runs without the tenant-users service in its process. */
@Global()
@Module({
  controllers: [CopiesController, ServiceController],
  providers: [
    Copies,
    TenantUsersClient,
    { provide: PlatformKeys, useClass: CopiedPlatformKeys },
    { provide: UserDirectory, useClass: CopiedUsers },
    { provide: AccountKitDirectory, useClass: CopiedAccountKits },
  ],
  exports: [PlatformKeys, UserDirectory, AccountKitDirectory],
})
export class CopiesModule {}
