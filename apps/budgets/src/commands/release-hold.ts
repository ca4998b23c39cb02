import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { illegalState } from '#kernel';
import { ContextCommand } from '#platform';
import { Holds } from '../read-models/holds.js';
import { BudgetLedger, type BudgetOwner } from './budget-ledger.js';

/** Lets go of a hold; of one that was released or has expired too. Answers the position of what changed, if any. */
export class ReleaseHold extends ContextCommand<{ owner: BudgetOwner; holdId: string }, bigint | undefined> {}

@CommandHandler(ReleaseHold)
export class ReleaseHoldHandler implements ICommandHandler<ReleaseHold> {
  constructor(
    private readonly ledger: BudgetLedger,
    private readonly holds: Holds,
  ) {}

  /** Throws `not_found`, and `illegal_state` where the hold is settled. */
  async execute({ given: { owner, holdId }, context }: ReleaseHold): Promise<bigint | undefined> {
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
