import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { MESSAGE_TYPES, type ParticipantConfirmed } from '#contracts';
import { systemContext } from '#kernel';
import type { MessageContext } from '#message-bus';
import { TENANT_USERS } from './participants.js';
import { UserDeletionProcess } from './user-deletion.js';

/** What this service does on messages of the cascade. */
@Controller()
export class CascadeController {
  constructor(private readonly process: UserDeletionProcess) {}

  @EventPattern<string>(MESSAGE_TYPES.participantConfirmed, TENANT_USERS)
  async onConfirmed(
    @Payload() data: ParticipantConfirmed,
    @Ctx() { message }: MessageContext,
  ): Promise<void> {
    const scope = { platformId: data.platform_id, tenantId: data.tenant_id };
    const context = systemContext(message, scope, `participant:${data.participant}`);
    const { participant, removed } = data;
    await this.process.confirm(data.user_id, { participant, removed }, context);
  }
}
