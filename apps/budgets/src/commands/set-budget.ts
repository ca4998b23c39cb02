import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { Clock, MicroUsd } from '#kernel';
import { CLOCK, ContextCommand } from '#platform';
import type { Account, Period } from '../domain/account.js';
import { asOf } from '../domain/passage-of-time.js';
import { BudgetLedger, type BudgetOwner } from './budget-ledger.js';

export interface NewTerms {
  limit: MicroUsd;
  period: Period;
}

export interface SetBudgetResult {
  account: Account;
  position: bigint;
}

/** Opens the user's budget, or gives it another limit or period. */
export class SetBudget extends ContextCommand<{ owner: BudgetOwner } & NewTerms, SetBudgetResult> {}

@CommandHandler(SetBudget)
export class SetBudgetHandler implements ICommandHandler<SetBudget> {
  constructor(
    private readonly ledger: BudgetLedger,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Throws `not_found` when the user is gone. */
  async execute({ given: { owner, limit, period }, context }: SetBudget): Promise<SetBudgetResult> {
    const command = { kind: 'set', limit_micro_usd: limit, period } as const;
    const { state, position } = await this.ledger.execute(owner, command, context);
    if (state.lifecycle !== 'open') throw new Error('a budget that was set is in another state');
    return { account: asOf(state, this.clock.now().toISOString()), position };
  }
}
