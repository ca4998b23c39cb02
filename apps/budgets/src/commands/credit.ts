import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type CommandContext, newId } from '#kernel';
import { BudgetLedger, type BudgetOwner, type Transaction } from './budget-ledger.js';
import type { Amount } from './spend.js';

/** Adds to what may be spent, until it is used up. */
export class Credit extends Command<Transaction> {
  constructor(
    readonly owner: BudgetOwner,
    readonly credit: Amount,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(Credit)
export class CreditHandler implements ICommandHandler<Credit> {
  constructor(private readonly ledger: BudgetLedger) {}

  /** Throws `not_found` without a budget or when the user is gone. */
  execute({ owner, credit: { amount, description }, context }: Credit): Promise<Transaction> {
    const command = {
      kind: 'credit',
      transaction_id: newId(),
      amount_micro_usd: amount,
      description,
    } as const;
    return this.ledger.add(owner, command, context);
  }
}
