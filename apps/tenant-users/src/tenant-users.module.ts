import { Global, Module, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { TOPICS } from '#contracts';
import type { ClaimingEventStore, EventStore } from '#event-store';
import type { ConsumerOptions } from '#message-bus';
import {
  AccountKitDirectory,
  EVENT_STORE,
  KEY_STORE,
  PlatformKeys,
  ReadModels,
  UserDirectory,
} from '#platform';
import { PersonalDataCodec, Sealer, type SubjectKeyStore } from '#privacy';
import { CreateAccountKitHandler } from './commands/create-account-kit.js';
import { CreatePlatformHandler } from './commands/create-platform.js';
import { CreateTenantHandler } from './commands/create-tenant.js';
import { CreateTenantUserHandler } from './commands/create-tenant-user.js';
import { DeleteAccountKitHandler } from './commands/delete-account-kit.js';
import { DeleteTenantHandler } from './commands/delete-tenant.js';
import { DeleteTenantUserHandler } from './commands/delete-tenant-user.js';
import { TenantHolders, UserHolders } from './commands/identifier-holders.js';
import { IssuePlatformKeyHandler } from './commands/issue-platform-key.js';
import { KitAssignments } from './commands/kit-assignments.js';
import { KitDeletions } from './commands/kit-deletions.js';
import { RevokePlatformKeyHandler } from './commands/revoke-platform-key.js';
import { UpdateAccountKitHandler } from './commands/update-account-kit.js';
import { UpdatePlatformHandler } from './commands/update-platform.js';
import { UpdateTenantHandler } from './commands/update-tenant.js';
import { UpdateTenantUserHandler } from './commands/update-tenant-user.js';
import { AccountKitsController } from './http/account-kits.controller.js';
import { PlatformKeysController } from './http/platform-keys.controller.js';
import { PlatformsController } from './http/platforms.controller.js';
import { TenantUsersController } from './http/tenant-users.controller.js';
import { TenantsController } from './http/tenants.controller.js';
import { UserDeletionsController } from './http/user-deletions.controller.js';
import { Bootstrap } from './policies/bootstrap.js';
import { CascadeController } from './policies/cascade.controller.js';
import { DeletionReminders } from './policies/deletion-reminders.js';
import { IdentifierFollower } from './policies/identifier-follower.js';
import { KitDeletionProcess } from './policies/kit-deletion.js';
import { TENANT_USERS } from './policies/participants.js';
import { Provisioning } from './policies/provisioning.js';
import { TenantDeletionProcess } from './policies/tenant-deletion.js';
import { UserDeletionProcess } from './policies/user-deletion.js';
import * as projectionModule from './projections.js';
import { Access } from './read-models/access.js';
import { AccountKits } from './read-models/account-kits.js';
import { DeletionPreviews } from './read-models/deletion-previews.js';
import { Deletions } from './read-models/deletions.js';
import { KnownUsers } from './read-models/known-users.js';
import { PlatformKeyRegistry } from './read-models/platform-keys.js';
import { Platforms } from './read-models/platforms.js';
import { TenantDeletions } from './read-models/tenant-deletions.js';
import { Tenants } from './read-models/tenants.js';
import { UserHistory } from './read-models/user-history.js';
import { TOKENS_SECRET } from './read-models/user-tokens.js';
import { Users } from './read-models/users.js';

export const tenantUsersConsumer: ConsumerOptions = {
  group: 'tenant-users',
  topics: [TOPICS.cascade],
  transportId: TENANT_USERS,
};

/** Global, since every other service asks it who is calling and which users there are. */
@Global()
@Module({
  controllers: [
    TenantUsersController,
    UserDeletionsController,
    PlatformsController,
    PlatformKeysController,
    TenantsController,
    AccountKitsController,
    CascadeController,
  ],
  providers: [
    CreatePlatformHandler,
    UpdatePlatformHandler,
    CreateTenantHandler,
    UpdateTenantHandler,
    DeleteTenantHandler,
    CreateAccountKitHandler,
    UpdateAccountKitHandler,
    DeleteAccountKitHandler,
    IssuePlatformKeyHandler,
    RevokePlatformKeyHandler,
    CreateTenantUserHandler,
    UpdateTenantUserHandler,
    DeleteTenantUserHandler,
    KitAssignments,
    KitDeletions,
    KitDeletionProcess,
    UserHolders,
    TenantHolders,
    IdentifierFollower,
    Access,
    PlatformKeyRegistry,
    Platforms,
    Tenants,
    AccountKits,
    Users,
    {
      provide: UserHistory,
      useFactory: (store: EventStore, sealer: Sealer) =>
        new UserHistory(store, new PersonalDataCodec(sealer)),
      inject: [EVENT_STORE, Sealer],
    },
    KnownUsers,
    Deletions,
    DeletionPreviews,
    DeletionReminders,
    TenantDeletions,
    TenantDeletionProcess,
    Provisioning,
    UserDeletionProcess,
    Bootstrap,
    { provide: PlatformKeys, useExisting: Access },
    { provide: UserDirectory, useExisting: KnownUsers },
    { provide: AccountKitDirectory, useExisting: AccountKits },
  ],
  exports: [Access, PlatformKeys, UserDirectory, AccountKitDirectory],
})
export class TenantUsersModule implements OnModuleInit {
  constructor(
    private readonly modules: ModuleRef,
    private readonly readModels: ReadModels,
  ) {}

  async onModuleInit(): Promise<void> {
    const { modules, readModels } = this;
    // The threads that use it make none.
    await modules.get<SubjectKeyStore>(KEY_STORE, { strict: false }).secret(TOKENS_SECRET);
    readModels.add(projectionModule);
    const store = modules.get<ClaimingEventStore>(EVENT_STORE, { strict: false });
    store.answerFor(['user.external_id', 'user.username'], modules.get(UserHolders));
    store.answerFor(['tenant.external_id'], modules.get(TenantHolders));
    readModels.follow(modules.get(IdentifierFollower));
    readModels.follow(modules.get(Provisioning));
    readModels.follow(modules.get(UserDeletionProcess));
    readModels.follow(modules.get(TenantDeletionProcess));
    readModels.follow(modules.get(KitDeletionProcess));
  }
}
