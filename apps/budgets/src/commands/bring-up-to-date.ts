import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { ContextCommand } from '#platform';
import type { Account } from '../domain/account.js';
import { BudgetLedger, type BudgetOwner } from './budget-ledger.js';

export interface UpToDate {
  /** Undefined where the budget is closed. */
  account: Account | undefined;
  position: bigint;
}

/** Records what is due: the budget that the user has from the start, holds that have expired, a new month. */
export class BringUpToDate extends ContextCommand<BudgetOwner, UpToDate> {}

@CommandHandler(BringUpToDate)
export class BringUpToDateHandler implements ICommandHandler<BringUpToDate> {
  constructor(private readonly ledger: BudgetLedger) {}

  /** Throws `not_found` where there is no budget and the user has none from the start. */
  async execute({ given: owner, context }: BringUpToDate): Promise<UpToDate> {
    // Nobody asked for it: it would have happened by itself.
    const nobody = { ...context, actor: { type: 'system', id: 'budgets' } as const };
    const { state, position } = await this.ledger.execute(owner, { kind: 'bring-up-to-date' }, nobody);
    return { account: state.lifecycle === 'open' ? state : undefined, position };
  }
}
