import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates, IdentifierTaken } from '#event-store';
import { type CommandContext, type JsonObject, newId } from '#kernel';
import { ContextCommand } from '#platform';
import { tenantIdentifiers } from '../domain/identifiers.js';
import { type TenantCreated, tenant } from '../domain/tenant.js';
import { Provisioning } from '../policies/provisioning.js';
import { duplicateRecord, untilNotAbandoned } from './taken-identifiers.js';

export interface NewTenant {
  platformId: string;
  name: string;
  externalId: string | null;
  settings: JsonObject;
}

export interface CreatedTenant {
  id: string;
  /** Of the default user's first event. */
  position: bigint;
}

/** A tenant with its default user. */
export class CreateTenant extends ContextCommand<NewTenant, CreatedTenant> {}

@CommandHandler(CreateTenant)
export class CreateTenantHandler implements ICommandHandler<CreateTenant> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly provisioning: Provisioning,
  ) {}

  /** Throws `duplicate_record` with the existing tenant's id when the external_id is taken. */
  async execute({ given: wanted, context }: CreateTenant): Promise<CreatedTenant> {
    const { platformId, name, externalId, settings } = wanted;
    const data = {
      platform_id: platformId,
      name,
      is_default: false,
      default_user_id: newId(),
      external_id: externalId,
      settings,
    };
    try {
      const id = await untilNotAbandoned(() => this.append(newId(), data, context));
      const position = await this.provisioning.provisionTenant(id, data, { ...context, tenantId: id });
      return { id, position };
    } catch (error) {
      throw error instanceof IdentifierTaken ? duplicateRecord(error) : error;
    }
  }

  private async append(id: string, data: TenantCreated['data'], context: CommandContext): Promise<string> {
    const claims = tenantIdentifiers(data.platform_id, data.external_id);
    const options = { context: { ...context, tenantId: id }, expectNew: true, claims };
    await this.aggregates.execute(tenant, id, { kind: 'create', ...data }, options);
    return id;
  }
}
