import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type MicroUsd, newId } from '#kernel';
import { ContextCommand } from '#platform';
import { BudgetLedger, type BudgetOwner, type Transaction } from './budget-ledger.js';

export interface Amount {
  /** Positive. */
  amount: MicroUsd;
  description: string | null;
}

export class Spend extends ContextCommand<{ owner: BudgetOwner } & Amount, Transaction> {}

@CommandHandler(Spend)
export class SpendHandler implements ICommandHandler<Spend> {
  constructor(private readonly ledger: BudgetLedger) {}

  /** Throws `over_budget` above what remains, and `not_found` without a budget or when the user is gone. */
  execute({ given: { owner, amount, description }, context }: Spend): Promise<Transaction> {
    const command = {
      kind: 'spend',
      transaction_id: newId(),
      amount_micro_usd: amount,
      description,
    } as const;
    return this.ledger.add(owner, command, context);
  }
}
