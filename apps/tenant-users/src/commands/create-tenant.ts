import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { type CommandContext, isTenantryError, type JsonObject, newId } from '#kernel';
import { type TenantCreated, tenant } from '../domain/tenant.js';
import { Provisioning } from '../policies/provisioning.js';
import { UserIds } from './user-ids.js';

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
export class CreateTenant extends Command<CreatedTenant> {
  constructor(
    readonly tenant: NewTenant,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(CreateTenant)
export class CreateTenantHandler implements ICommandHandler<CreateTenant> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly ids: UserIds,
    private readonly provisioning: Provisioning,
  ) {}

  /** Throws `duplicate_record` with the existing tenant's id when the external_id is taken. */
  async execute({ tenant: wanted, context }: CreateTenant): Promise<CreatedTenant> {
    const { platformId, name, externalId, settings } = wanted;
    const data = {
      platform_id: platformId,
      name,
      is_default: false,
      default_user_id: newId(),
      external_id: externalId,
      settings,
    };
    const id = await this.append(data, context);
    return { id, position: await this.provisioning.provisionTenant(id, data, { ...context, tenantId: id }) };
  }

  private async append(data: TenantCreated['data'], context: CommandContext): Promise<string> {
    for (let generation = 0; ; generation++) {
      const id = this.idOf(data, generation);
      const command = { kind: 'create' as const, id, ...data };
      const options = { context: { ...context, tenantId: id }, expectNew: true };
      try {
        await this.aggregates.execute(tenant, id, command, options);
        return id;
      } catch (error) {
        // The stream belongs to a deleted tenant: the external_id is free again, in the next generation.
        if (!isTenantryError(error) || error.code !== 'illegal_state') throw error;
      }
    }
  }

  private idOf({ platform_id, external_id }: TenantCreated['data'], generation: number): string {
    return external_id == null ? newId() : this.ids.deriveTenant(platform_id, external_id, generation);
  }
}
