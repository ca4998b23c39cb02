import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type Clock, type CommandContext, newId } from '#kernel';
import { CLOCK } from '#platform';
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
export class PlaceHold extends Command<PlacedHold> {
  constructor(
    readonly owner: BudgetOwner,
    readonly hold: NewHold,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(PlaceHold)
export class PlaceHoldHandler implements ICommandHandler<PlaceHold> {
  constructor(
    private readonly ledger: BudgetLedger,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Throws `over_budget` above what remains, and `not_found` without a budget or when the user is gone. */
  async execute({ owner, hold, context }: PlaceHold): Promise<PlacedHold> {
    const { amount, description, expiresInSeconds } = hold;
    const expiresAt = new Date(this.clock.now().getTime() + expiresInSeconds * 1_000).toISOString();
    const ids = { hold_id: newId(), expires_at: expiresAt };
    const command = { kind: 'hold', ...ids, amount_micro_usd: amount, description } as const;
    return { ...(await this.ledger.add(owner, command, context)), expiresAt };
  }
}
