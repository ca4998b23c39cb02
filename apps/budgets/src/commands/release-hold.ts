import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type CommandContext, illegalState } from '#kernel';
import { Holds } from '../read-models/holds.js';
import { BudgetLedger, type BudgetOwner } from './budget-ledger.js';

/** Lets go of a hold; of one that was released or has expired too. Answers the position of what changed, if any. */
export class ReleaseHold extends Command<bigint | undefined> {
  constructor(
    readonly owner: BudgetOwner,
    readonly holdId: string,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(ReleaseHold)
export class ReleaseHoldHandler implements ICommandHandler<ReleaseHold> {
  constructor(
    private readonly ledger: BudgetLedger,
    private readonly holds: Holds,
  ) {}

  /** Throws `not_found`, and `illegal_state` where the hold is settled. */
  async execute({ owner, holdId, context }: ReleaseHold): Promise<bigint | undefined> {
    try {
      const command = { kind: 'release', hold_id: holdId } as const;
      return (await this.ledger.execute(owner, command, context)).position;
    } catch (error) {
      const ended = await this.holds.endedInPlaceOf(error, owner, holdId);
      if (ended === 'settled') throw illegalState('the hold is settled already');
      return undefined;
    }
  }
}
