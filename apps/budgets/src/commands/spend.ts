import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { type Clock, type CommandContext, type MicroUsd, newId } from '#kernel';
import { CLOCK } from '#platform';
import { balanceOf } from '../domain/account.js';
import { budget } from '../domain/budget.decide.js';

export interface NewSpend {
  tenantId: string;
  userId: string;
  /** Positive. */
  amount: MicroUsd;
  description: string | null;
}

export interface SpendResult {
  transactionId: string;
  balance: MicroUsd;
  /** RFC 3339 UTC. */
  at: string;
  position: bigint;
}

export class Spend extends Command<SpendResult> {
  constructor(
    readonly spend: NewSpend,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(Spend)
export class SpendHandler implements ICommandHandler<Spend> {
  constructor(
    private readonly aggregates: Aggregates,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Throws `over_budget` above what remains, and `not_found` without a budget or when the user is gone. */
  async execute({ spend, context }: Spend): Promise<SpendResult> {
    const { tenantId, userId, amount, description } = spend;
    const transactionId = newId();
    const at = this.clock.now().toISOString();
    const { state, position } = await this.aggregates.execute(
      budget,
      userId,
      {
        kind: 'spend',
        tenant_id: tenantId,
        transaction_id: transactionId,
        amount_micro_usd: amount,
        description,
        at,
      },
      { context },
    );
    if (state.lifecycle !== 'open') throw new Error('a budget that was spent from is in another state');
    return { transactionId, balance: balanceOf(state), at, position };
  }
}
