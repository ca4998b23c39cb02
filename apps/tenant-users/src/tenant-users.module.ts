import { Global, Module, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { TOPICS } from '#contracts';
import type { ConsumerOptions } from '#message-bus';
import { AccountKitDirectory, PlatformKeys, ReadModels, UserDirectory } from '#platform';
import { BlindIndexes } from './commands/blind-indexes.js';
import { CreateAccountKitHandler } from './commands/create-account-kit.js';
import { CreatePlatformHandler } from './commands/create-platform.js';
import { CreateTenantHandler } from './commands/create-tenant.js';
import { CreateTenantUserHandler } from './commands/create-tenant-user.js';
import { DeleteAccountKitHandler } from './commands/delete-account-kit.js';
import { DeleteTenantHandler } from './commands/delete-tenant.js';
import { DeleteTenantUserHandler } from './commands/delete-tenant-user.js';
import { IssuePlatformKeyHandler } from './commands/issue-platform-key.js';
import { KitAssignments } from './commands/kit-assignments.js';
import { KitDeletions } from './commands/kit-deletions.js';
import { RevokePlatformKeyHandler } from './commands/revoke-platform-key.js';
import { UpdateAccountKitHandler } from './commands/update-account-kit.js';
import { UpdatePlatformHandler } from './commands/update-platform.js';
import { UpdateTenantHandler } from './commands/update-tenant.js';
import { UpdateTenantUserHandler } from './commands/update-tenant-user.js';
import { UserIds } from './commands/user-ids.js';
import { Usernames } from './commands/usernames.js';
import { AccountKitsController } from './http/account-kits.controller.js';
import { PlatformKeysController } from './http/platform-keys.controller.js';
import { PlatformsController } from './http/platforms.controller.js';
import { TenantUsersController } from './http/tenant-users.controller.js';
import { TenantsController } from './http/tenants.controller.js';
import { UserDeletionsController } from './http/user-deletions.controller.js';
import { Bootstrap } from './policies/bootstrap.js';
import { CascadeController } from './policies/cascade.controller.js';
import { DeletionReminders } from './policies/deletion-reminders.js';
import { KitDeletionProcess } from './policies/kit-deletion.js';
import { lifecycleMessage, RELAYED_CATEGORIES } from './policies/lifecycle-messages.js';
import { TENANT_USERS } from './policies/participants.js';
import { Provisioning } from './policies/provisioning.js';
import { TenantDeletionProcess } from './policies/tenant-deletion.js';
import { UserDeletionProcess } from './policies/user-deletion.js';
import { Access } from './read-models/access.js';
import { AccessProjection } from './read-models/access.projection.js';
import { AccountKits } from './read-models/account-kits.js';
import { DeletionPreviews } from './read-models/deletion-previews.js';
import { Deletions, DeletionsProjection } from './read-models/deletions.js';
import { KnownUsers } from './read-models/known-users.js';
import { PlatformKeyRegistry } from './read-models/platform-keys.js';
import { Platforms } from './read-models/platforms.js';
import { TenantDeletions, TenantDeletionsProjection } from './read-models/tenant-deletions.js';
import { Tenants } from './read-models/tenants.js';
import { UserDirectoryProjection } from './read-models/user-directory.projection.js';
import { UserFilters } from './read-models/user-filter.js';
import { UserHistory } from './read-models/user-history.js';
import { UserLists } from './read-models/user-lists.js';
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
    UserIds,
    BlindIndexes,
    Usernames,
    Access,
    AccessProjection,
    PlatformKeyRegistry,
    Platforms,
    Tenants,
    AccountKits,
    Users,
    UserFilters,
    UserLists,
    UserHistory,
    KnownUsers,
    UserDirectoryProjection,
    Deletions,
    DeletionPreviews,
    DeletionsProjection,
    DeletionReminders,
    TenantDeletions,
    TenantDeletionsProjection,
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

  onModuleInit(): void {
    const { modules, readModels } = this;
    readModels.project(modules.get(AccessProjection));
    readModels.project(modules.get(UserDirectoryProjection));
    readModels.project(modules.get(DeletionsProjection));
    readModels.follow(modules.get(Provisioning));
    readModels.project(modules.get(TenantDeletionsProjection));
    readModels.follow(modules.get(UserDeletionProcess));
    readModels.follow(modules.get(TenantDeletionProcess));
    readModels.follow(modules.get(KitDeletionProcess));
    readModels.relay({
      name: 'lifecycle-relay',
      categories: RELAYED_CATEGORIES,
      toMessage: lifecycleMessage,
    });
  }
}
