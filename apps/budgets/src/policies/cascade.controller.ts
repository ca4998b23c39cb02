import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { MESSAGE_TYPES, type UserDeleted } from '#contracts';
import type { MessageContext } from '#message-bus';
import { Cascade } from '#platform';
import { budget } from '../domain/budget.decide.js';

/** The name of this participant, and of its consumer group. */
export const PARTICIPANT = 'budgets';

/** Whose handlers this service's bus server runs. */
export const BUDGETS_CONSUMER = Symbol(PARTICIPANT);

/** What this service does on messages of the users' lifecycle. */
@Controller()
export class CascadeController {
  constructor(private readonly cascade: Cascade) {}

  @EventPattern<string>(MESSAGE_TYPES.userDeleted, BUDGETS_CONSUMER)
  onUserDeleted(@Payload() user: UserDeleted, @Ctx() { message }: MessageContext): Promise<void> {
    return this.cascade.letGo(PARTICIPANT, budget, user, message);
  }
}
