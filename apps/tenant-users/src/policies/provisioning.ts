import { Injectable } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { type CommandContext, isTenantryError, type RecordedEvent, streamId, systemContext } from '#kernel';
import { CreateTenantUser } from '../commands/create-tenant-user.js';
import { accountKit } from '../domain/account-kit.js';
import type { PlatformEvent } from '../domain/platform.js';
import { tenant } from '../domain/tenant.js';

/**
 * Gives each new platform its default tenant, kit and user. The command that creates a platform calls it at
 * once; following the log finishes what a crash cut short. Each step may run twice.
 */
@Injectable()
export class Provisioning {
  readonly name = 'provisioning';
  readonly categories = ['platform'];

  constructor(
    private readonly aggregates: Aggregates,
    private readonly commands: CommandBus,
  ) {}

  async handle(events: readonly RecordedEvent[]): Promise<void> {
    for (const event of events) {
      if (event.type !== 'platform.created.v1') continue;
      const id = streamId(event.stream);
      const cause = { id: event.id, correlationId: event.metadata.correlationId };
      const context = systemContext(cause, { platformId: id, tenantId: null }, this.name);
      await this.provisionPlatform(id, event.data as unknown as PlatformEvent['data'], context);
    }
  }

  async provisionPlatform(
    id: string,
    created: PlatformEvent['data'],
    context: CommandContext,
  ): Promise<void> {
    const { default_account_kit_id: kitId, default_tenant_id: tenantId } = created;
    const options = { context, expectNew: true };
    await this.aggregates.execute(
      accountKit,
      kitId,
      { kind: 'create', platform_id: id, name: 'Default', is_default: true },
      options,
    );
    await this.aggregates.execute(
      tenant,
      tenantId,
      {
        kind: 'create',
        platform_id: id,
        name: 'Default',
        is_default: true,
        default_user_id: created.default_user_id,
      },
      { ...options, context: { ...context, tenantId } },
    );
    await this.createDefaultUser(id, created, { ...context, tenantId });
  }

  private async createDefaultUser(
    platformId: string,
    created: PlatformEvent['data'],
    context: CommandContext,
  ): Promise<void> {
    const personal = {
      external_id: null,
      email: null,
      username: null,
      first_name: null,
      middle_name: null,
      last_name: null,
      phone_number: null,
      label: 'Default user',
      metadata: {},
    };
    const user = {
      id: created.default_user_id,
      platformId,
      tenantId: created.default_tenant_id,
      isDefault: true,
      standing: {
        role: created.settings.default_role,
        teams: [],
        account_kit_id: created.default_account_kit_id,
      },
      personal,
    };
    try {
      await this.commands.execute(new CreateTenantUser(user, context));
    } catch (error) {
      if (!isTenantryError(error) || error.code !== 'duplicate_record') throw error;
    }
  }
}
