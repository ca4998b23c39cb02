import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { MESSAGE_TYPES, type UserDeleted } from '#contracts';
import type { MessageContext } from '#message-bus';
import { Cascade } from '#platform';
import { keyring } from '../domain/keyring.decide.js';
import { KeyUses } from '../read-models/key-uses.js';
import { KEYS, PARTICIPANT } from './participant.js';

/** What this service does on messages of the users' lifecycle. */
@Controller()
export class CascadeController {
  constructor(
    private readonly cascade: Cascade,
    private readonly uses: KeyUses,
  ) {}

  @EventPattern<string>(MESSAGE_TYPES.userDeleted, KEYS)
  async onUserDeleted(@Payload() user: UserDeleted, @Ctx() { message }: MessageContext): Promise<void> {
    await this.uses.forget(user.user_id);
    await this.cascade.letGo(PARTICIPANT, keyring, user, message);
    // Again, for a verification that came in between.
    await this.uses.forget(user.user_id);
  }
}
