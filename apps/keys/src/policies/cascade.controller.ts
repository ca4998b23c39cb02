import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { MESSAGE_TYPES, type UserDeleted } from '#contracts';
import type { MessageContext } from '#message-bus';
import { Cascade } from '#platform';
import { keyring } from '../domain/keyring.decide.js';
import { KEYS, PARTICIPANT } from './participant.js';

/** What this service does on messages of the users' lifecycle. */
@Controller()
export class CascadeController {
  constructor(private readonly cascade: Cascade) {}

  @EventPattern<string>(MESSAGE_TYPES.userDeleted, KEYS)
  onUserDeleted(@Payload() user: UserDeleted, @Ctx() { message }: MessageContext): Promise<void> {
    return this.cascade.letGo(PARTICIPANT, keyring, user, message);
  }
}
