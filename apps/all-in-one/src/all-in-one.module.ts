import { type DynamicModule, Module } from '@nestjs/common';
import { BudgetsModule, budgetsConsumer } from '#budgets';
import { ConnectionsModule, connectionsConsumer } from '#connections';
import type { Clock } from '#kernel';
import { KeysModule, keysConsumer } from '#keys';
import { PlatformModule, type Settings } from '#platform';
import { TenantUsersModule, tenantUsersConsumer } from '#tenant-users';

/** The four services in one process, on the embedded engines. */
@Module({})
export class AllInOneModule {
  static forRoot(settings: Settings, clock?: Clock): DynamicModule {
    const services = [TenantUsersModule, KeysModule, BudgetsModule, ConnectionsModule];
    return { module: AllInOneModule, imports: [PlatformModule.forRoot(settings, clock), ...services] };
  }
}

export const consumers = [tenantUsersConsumer, keysConsumer, budgetsConsumer, connectionsConsumer];
