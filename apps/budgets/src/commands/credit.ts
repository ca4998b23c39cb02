import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { newId } from '#kernel';
import { ContextCommand } from '#platform';
import { BudgetLedger, type BudgetOwner, type Transaction } from './budget-ledger.js';
import type { Amount } from './spend.js';

/** Adds to what may be spent, until it is used up. */
export class Credit extends ContextCommand<{ owner: BudgetOwner } & Amount, Transaction> {}

@CommandHandler(Credit)
export class CreditHandler implements ICommandHandler<Credit> {
  constructor(private readonly ledger: BudgetLedger) {}

  /** Throws `not_found` without a budget or when the user is gone. */
  execute({ given: { owner, amount, description }, context }: Credit): Promise<Transaction> {
    const command = {
      kind: 'credit',
      transaction_id: newId(),
      amount_micro_usd: amount,
      description,
    } as const;
    return this.ledger.add(owner, command, context);
  }
}
