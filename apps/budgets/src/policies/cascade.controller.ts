import { Controller, Inject } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { MESSAGE_TYPES, type Message, type UserCreated, type UserDeleted } from '#contracts';
import { Aggregates } from '#event-store';
import { type Clock, systemContext } from '#kernel';
import type { MessageContext, PatternExtras } from '#message-bus';
import { Cascade, CLOCK } from '#platform';
import { BudgetLedger } from '../commands/budget-ledger.js';
import { budget } from '../domain/budget.decide.js';
import { rateLimits } from '../domain/rate-limits.js';
import { RateCounters } from '../read-models/rate-counters.js';

/** The name of this participant, and of its consumer group. */
export const PARTICIPANT = 'budgets';

/** Whose handlers this service's bus server runs. */
export const BUDGETS_CONSUMER = Symbol(PARTICIPANT);

/** Most users begin without a budget, and each create would pay for its message. */
const OF_NO_BUDGET: PatternExtras = { skips: ({ opening_budget }) => opening_budget === null };

/** What this service does on messages of the users' lifecycle. Every step may run twice. */
@Controller()
export class CascadeController {
  constructor(
    private readonly cascade: Cascade,
    private readonly ledger: BudgetLedger,
    private readonly aggregates: Aggregates,
    private readonly counters: RateCounters,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Opens the budget that the user has from the start, unless a command or a read was first. */
  @EventPattern<string>(MESSAGE_TYPES.userCreated, BUDGETS_CONSUMER, OF_NO_BUDGET)
  async onUserCreated(@Payload() user: UserCreated, @Ctx() { message }: MessageContext): Promise<void> {
    const { platform_id, tenant_id, user_id, opening_budget } = user;
    if (!opening_budget) return;
    const owner = {
      platformId: platform_id,
      tenantId: tenant_id,
      userId: user_id,
      createdAt: message.time,
      openingBudget: { limit: opening_budget.limit_micro_usd, period: opening_budget.period },
    };
    await this.ledger.execute(owner, { kind: 'bring-up-to-date' }, contextOf(user, message));
  }

  @EventPattern<string>(MESSAGE_TYPES.userDeleted, BUDGETS_CONSUMER)
  async onUserDeleted(@Payload() user: UserDeleted, @Ctx() { message }: MessageContext): Promise<void> {
    const { platform_id, tenant_id, user_id } = user;
    const close = { kind: 'close', platform_id, tenant_id, at: this.clock.now().toISOString() } as const;
    await this.aggregates.execute(rateLimits, user_id, close, { context: contextOf(user, message) });
    this.counters.forget(user_id);
    await this.cascade.letGo(PARTICIPANT, budget, user, message);
  }
}

const contextOf = (user: { platform_id: string; tenant_id: string }, message: Message<object>) =>
  systemContext(message, { platformId: user.platform_id, tenantId: user.tenant_id }, PARTICIPANT);
