import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { ContextCommand } from '#platform';
import { tenant } from '../domain/tenant.js';

export interface TenantDeletion {
  platformId: string;
  tenantId: string;
}

/** Answers the position of the tenant's last event: from there on it is gone, and its users are being deleted. */
export class DeleteTenant extends ContextCommand<TenantDeletion> {}

@CommandHandler(DeleteTenant)
export class DeleteTenantHandler implements ICommandHandler<DeleteTenant> {
  constructor(private readonly aggregates: Aggregates) {}

  /** Throws `illegal_state` for the platform's default tenant. */
  async execute({ given: { platformId, tenantId }, context }: DeleteTenant): Promise<bigint> {
    const command = { kind: 'delete' as const, platform_id: platformId };
    const options = { context: { ...context, tenantId } };
    const { position } = await this.aggregates.execute(tenant, tenantId, command, options);
    return position;
  }
}
