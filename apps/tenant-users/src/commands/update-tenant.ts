import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { ContextCommand } from '#platform';
import { type TenantChanges, tenant } from '../domain/tenant.js';

export interface TenantUpdate {
  platformId: string;
  tenantId: string;
  changes: TenantChanges;
}

/** Answers the position of the tenant's latest event. */
export class UpdateTenant extends ContextCommand<TenantUpdate> {}

@CommandHandler(UpdateTenant)
export class UpdateTenantHandler implements ICommandHandler<UpdateTenant> {
  constructor(private readonly aggregates: Aggregates) {}

  async execute({ given: { platformId, tenantId, changes }, context }: UpdateTenant): Promise<bigint> {
    const command = { kind: 'update' as const, platform_id: platformId, changes };
    const options = { context: { ...context, tenantId } };
    const { position } = await this.aggregates.execute(tenant, tenantId, command, options);
    return position;
  }
}
