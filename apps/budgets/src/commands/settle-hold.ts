import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { illegalState, type MicroUsd, newId } from '#kernel';
import { ContextCommand } from '#platform';
import { Holds } from '../read-models/holds.js';
import { BudgetLedger, type BudgetOwner, type Transaction } from './budget-ledger.js';

export interface Settlement {
  holdId: string;
  amount: MicroUsd;
}

/** Spends an amount in place of a hold. */
export class SettleHold extends ContextCommand<{ owner: BudgetOwner } & Settlement, Transaction> {}

@CommandHandler(SettleHold)
export class SettleHoldHandler implements ICommandHandler<SettleHold> {
  constructor(
    private readonly ledger: BudgetLedger,
    private readonly holds: Holds,
  ) {}

  /** Throws `over_budget`, `not_found`, and `illegal_state` where the hold is open no more. */
  async execute({ given: { owner, holdId, amount }, context }: SettleHold): Promise<Transaction> {
    const ids = { transaction_id: newId(), hold_id: holdId };
    const command = { kind: 'settle', ...ids, amount_micro_usd: amount } as const;
    try {
      return await this.ledger.add(owner, command, context);
    } catch (error) {
      const ended = await this.holds.endedInPlaceOf(error, owner, holdId);
      throw illegalState(`the hold is ${ended} already`);
    }
  }
}
