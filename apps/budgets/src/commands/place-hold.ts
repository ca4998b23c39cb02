import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { newId } from '#kernel';
import { ContextCommand } from '#platform';
import { expiryOf } from '../domain/passage-of-time.js';
import { BudgetLedger, type BudgetOwner, type Transaction } from './budget-ledger.js';
import type { Amount } from './spend.js';

export interface NewHold extends Amount {
  expiresInSeconds: number;
}

/** The transaction's id is the hold's. */
export interface PlacedHold extends Transaction {
  expiresAt: string;
}

/** Sets an amount aside for a spend to come. */
export class PlaceHold extends ContextCommand<{ owner: BudgetOwner } & NewHold, PlacedHold> {}

@CommandHandler(PlaceHold)
export class PlaceHoldHandler implements ICommandHandler<PlaceHold> {
  constructor(private readonly ledger: BudgetLedger) {}

  /** Throws `over_budget` above what remains, and `not_found` without a budget or when the user is gone. */
  async execute({ given: { owner, ...hold }, context }: PlaceHold): Promise<PlacedHold> {
    const { amount, description, expiresInSeconds: expires_in_seconds } = hold;
    const terms = { amount_micro_usd: amount, expires_in_seconds, description };
    const added = await this.ledger.add(owner, { kind: 'hold', hold_id: newId(), ...terms }, context);
    return { ...added, expiresAt: expiryOf(added.at, expires_in_seconds) };
  }
}
