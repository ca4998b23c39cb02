import { Injectable } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { type CommandContext, isTenantryError, type RecordedEvent, streamId, systemContext } from '#kernel';
import { CreateTenantUser } from '../commands/create-tenant-user.js';
import { accountKit, startingBudget } from '../domain/account-kit.js';
import { type PlatformCreated, platform } from '../domain/platform.js';
import { type TenantCreated, tenant } from '../domain/tenant.js';
import { tenantUser } from '../domain/tenant-user.decide.js';

/** What is known of a tenant's default user. */
export const NOBODY = {
  external_id: null,
  email: null,
  username: null,
  first_name: null,
  middle_name: null,
  last_name: null,
  phone_number: null,
  label: 'Default user',
  metadata: {},
  teams: [],
};

/**
 * Gives each new platform its default kit and tenant, and each new tenant its default user. The commands that
 * create them call it at once; following the log finishes what a crash cut short. Each step may run twice.
 */
@Injectable()
export class Provisioning {
  readonly name = 'provisioning';
  readonly categories = ['platform', 'tenant'];

  constructor(
    private readonly aggregates: Aggregates,
    private readonly commands: CommandBus,
  ) {}

  async handle(events: readonly RecordedEvent[]): Promise<void> {
    for (const event of events) {
      const id = streamId(event.stream);
      const cause = { id: event.id, correlationId: event.metadata.correlationId };
      if (event.type === 'platform.created.v1') {
        const context = systemContext(cause, { platformId: id, tenantId: null }, this.name);
        await this.provisionPlatform(id, event.data as unknown as PlatformCreated['data'], context);
      } else if (event.type === 'tenant.created.v1') {
        const created = event.data as unknown as TenantCreated['data'];
        const scope = { platformId: created.platform_id, tenantId: id };
        await this.provisionTenant(id, created, systemContext(cause, scope, this.name));
      }
    }
  }

  async provisionPlatform(
    id: string,
    created: PlatformCreated['data'],
    context: CommandContext,
  ): Promise<void> {
    const { default_account_kit_id: kitId, default_tenant_id: tenantId } = created;
    const kit = { kind: 'create' as const, platform_id: id, name: 'Default', is_default: true };
    await this.aggregates.execute(accountKit, kitId, kit, { context, expectNew: true });
    const data = {
      platform_id: id,
      name: 'Default',
      is_default: true,
      default_user_id: created.default_user_id,
    };
    const scope = { ...context, tenantId };
    const command = { kind: 'create' as const, ...data };
    await this.aggregates.execute(tenant, tenantId, command, { context: scope, expectNew: true });
    await this.provisionTenant(tenantId, data, scope);
  }

  /** Answers the position of the default user's latest event. */
  async provisionTenant(
    id: string,
    created: TenantCreated['data'],
    context: CommandContext,
  ): Promise<bigint> {
    const { platform_id: platformId, default_user_id: userId } = created;
    const known = await this.aggregates.peek(tenantUser, userId);
    if (known.state.lifecycle !== 'absent') return known.position;
    const { state } = await this.aggregates.load(platform, platformId);
    if (state.lifecycle !== 'alive') throw new Error('a tenant was created without its platform');
    const kit = await this.aggregates.load(accountKit, state.default_account_kit_id);
    const user = {
      id: userId,
      platformId,
      tenantId: id,
      isDefault: true,
      accountKitId: state.default_account_kit_id,
      openingBudget:
        kit.state.lifecycle === 'alive'
          ? startingBudget(kit.state, state.settings.default_budget_micro_usd)
          : null,
      personal: { ...NOBODY, role: state.settings.default_role },
    };
    try {
      return (await this.commands.execute(new CreateTenantUser(user, context))).user.position;
    } catch (error) {
      // The tenant is being deleted.
      if (!isTenantryError(error) || error.code !== 'not_found') throw error;
      return (await this.aggregates.peek(tenantUser, userId)).position;
    }
  }
}
