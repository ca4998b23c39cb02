import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import type { Clock, CommandContext, MicroUsd } from '#kernel';
import { CLOCK, KEY_STORE } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import type { Account, Period } from '../domain/account.js';
import { budget } from '../domain/budget.decide.js';

export interface BudgetTerms {
  platformId: string;
  tenantId: string;
  userId: string;
  limit: MicroUsd;
  period: Period;
}

export interface SetBudgetResult {
  account: Account;
  position: bigint;
}

/** Opens the user's budget, or gives it another limit or period. */
export class SetBudget extends Command<SetBudgetResult> {
  constructor(
    readonly terms: BudgetTerms,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(SetBudget)
export class SetBudgetHandler implements ICommandHandler<SetBudget> {
  constructor(
    private readonly aggregates: Aggregates,
    @Inject(KEY_STORE) private readonly keys: SubjectKeyStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Throws `not_found` when the user is gone. */
  async execute({ terms, context }: SetBudget): Promise<SetBudgetResult> {
    const { platformId, tenantId, userId, limit, period } = terms;
    const known = await this.aggregates.load(budget, userId);
    const { state, position } = await this.aggregates.execute(
      budget,
      userId,
      {
        kind: 'set',
        platform_id: platformId,
        tenant_id: tenantId,
        limit_micro_usd: limit,
        period,
        subject_key: known.state.lifecycle === 'open' ? known.state.subject_key : await this.keys.assign(),
        at: this.clock.now().toISOString(),
      },
      { context },
    );
    if (state.lifecycle !== 'open') throw new Error('a budget that was set is in another state');
    return { account: state, position };
  }
}
