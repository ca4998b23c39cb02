import { Injectable } from '@nestjs/common';
import { Aggregates, type Holders } from '#event-store';
import { type CommandContext, type Identifier, newId, systemContext } from '#kernel';
import { tenantStanding, userStanding } from '../domain/identifiers.js';
import { tenant } from '../domain/tenant.js';
import { tenantUser } from '../domain/tenant-user.decide.js';

const contextFor = (platformId: string | null, tenantId: string | null): CommandContext => {
  const id = newId();
  return systemContext({ id, correlationId: id }, { platformId, tenantId }, 'identifiers');
};

/** Answers for the users of tenants. */
@Injectable()
export class UserHolders implements Holders {
  constructor(private readonly aggregates: Aggregates) {}

  async standing(identifier: Identifier, holder: string) {
    return userStanding((await this.aggregates.refresh(tenantUser, holder)).state, identifier);
  }

  async fence(identifier: Identifier, holder: string): Promise<number> {
    const tenantId = identifier.scope;
    const { state } = await this.aggregates.load(tenant, tenantId);
    const platformId = state.lifecycle === 'absent' ? '' : state.platform_id;
    const command = { kind: 'fence' as const, platform_id: platformId, tenant_id: tenantId, identifier };
    const context = contextFor(platformId, tenantId);
    const options = { context, outOfTurn: true };
    const { revision } = await this.aggregates.execute(tenantUser, holder, command, options);
    return Number(revision);
  }
}

/** Answers for the tenants of platforms. */
@Injectable()
export class TenantHolders implements Holders {
  constructor(private readonly aggregates: Aggregates) {}

  async standing(identifier: Identifier, holder: string) {
    return tenantStanding((await this.aggregates.refresh(tenant, holder)).state, identifier);
  }

  async fence({ scope: platformId }: Identifier, holder: string): Promise<number> {
    const command = { kind: 'fence' as const, platform_id: platformId };
    const context = contextFor(platformId, holder);
    const options = { context, outOfTurn: true };
    const { revision } = await this.aggregates.execute(tenant, holder, command, options);
    return Number(revision);
  }
}
