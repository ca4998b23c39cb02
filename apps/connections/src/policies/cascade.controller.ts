import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { MESSAGE_TYPES, type UserDeleted } from '#contracts';
import type { MessageContext } from '#message-bus';
import { Cascade } from '#platform';
import { connections } from '../domain/connections.js';
import { vault } from '../domain/vault.decide.js';
import { CONNECTIONS } from './participants.js';

/**
 * What this service does on messages of the users' lifecycle. Each participant has a handler of its own: the bus
 * tries them again one by one, so neither waits for the other.
 */
@Controller()
export class CascadeController {
  constructor(private readonly cascade: Cascade) {}

  @EventPattern<string>(MESSAGE_TYPES.userDeleted, CONNECTIONS)
  closeConnections(@Payload() user: UserDeleted, @Ctx() { message }: MessageContext): Promise<void> {
    return this.cascade.letGo('connections', connections, user, message);
  }

  @EventPattern<string>(MESSAGE_TYPES.userDeleted, CONNECTIONS)
  closeVault(@Payload() user: UserDeleted, @Ctx() { message }: MessageContext): Promise<void> {
    return this.cascade.letGo('vault', vault, user, message);
  }
}
