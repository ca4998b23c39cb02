import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { type CommandContext, type JsonObject, newId } from '#kernel';
import { tenant } from '../domain/tenant.js';
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
    const id = externalId === null ? newId() : this.ids.deriveTenant(platformId, externalId, 0);
    const data = {
      platform_id: platformId,
      name,
      is_default: false,
      default_user_id: newId(),
      external_id: externalId,
      settings,
    };
    const scope = { ...context, tenantId: id };
    const command = { kind: 'create' as const, id, ...data };
    await this.aggregates.execute(tenant, id, command, { context: scope, expectNew: true });
    return { id, position: await this.provisioning.provisionTenant(id, data, scope) };
  }
}
