import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { MESSAGE_TYPES, type UserDeleted } from '#contracts';
import { Aggregates } from '#event-store';
import { systemContext } from '#kernel';
import type { MessageContext } from '#message-bus';
import { Cascade } from '#platform';
import { Revocations } from '../commands/revocations.js';
import { connections } from '../domain/connections.decide.js';
import { vault } from '../domain/vault.decide.js';
import { CONNECTIONS } from './participants.js';

/**
 * What this service does on messages of the users' lifecycle. Each participant has a handler of its own: the bus
 * tries them again one by one, so neither waits for the other.
 */
@Controller()
export class CascadeController {
  constructor(
    private readonly cascade: Cascade,
    private readonly aggregates: Aggregates,
    private readonly revocations: Revocations,
  ) {}

  /** Closed first, so that no token comes after; its key is destroyed when the providers have been told. */
  @EventPattern<string>(MESSAGE_TYPES.userDeleted, CONNECTIONS)
  async closeConnections(@Payload() user: UserDeleted, @Ctx() { message }: MessageContext): Promise<void> {
    const { platform_id, tenant_id, user_id } = user;
    const context = systemContext(message, { platformId: platform_id, tenantId: tenant_id }, 'connections');
    const close = { kind: 'close' as const, platform_id, tenant_id };
    await this.aggregates.execute(connections, user_id, close, { context });
    await this.revocations.settleAll(user_id, context);
    await this.cascade.letGo('connections', connections, user, message);
  }

  @EventPattern<string>(MESSAGE_TYPES.userDeleted, CONNECTIONS)
  closeVault(@Payload() user: UserDeleted, @Ctx() { message }: MessageContext): Promise<void> {
    return this.cascade.letGo('vault', vault, user, message);
  }
}
