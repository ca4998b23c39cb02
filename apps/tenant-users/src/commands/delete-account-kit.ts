import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { ContextCommand } from '#platform';
import { accountKit } from '../domain/account-kit.js';
import { Users } from '../read-models/users.js';
import { KitDeletions, kitInUse } from './kit-deletions.js';

export interface AccountKitDeletion {
  platformId: string;
  kitId: string;
}

/** Answers the position of the kit's latest event. */
export class DeleteAccountKit extends ContextCommand<AccountKitDeletion> {}

@CommandHandler(DeleteAccountKit)
export class DeleteAccountKitHandler implements ICommandHandler<DeleteAccountKit> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly users: Users,
    private readonly deletions: KitDeletions,
  ) {}

  /** Throws `illegal_state` while a user has the kit. One that is being deleted already goes on from there. */
  async execute({ given: { platformId, kitId }, context }: DeleteAccountKit): Promise<bigint> {
    const command = { kind: 'close' as const, platform_id: platformId };
    await this.aggregates.preview(accountKit, kitId, command);
    // A kit that is known to be in use need not be closed for that.
    if (await this.users.haveAccountKit(kitId)) throw kitInUse();
    const { revision } = await this.aggregates.execute(accountKit, kitId, command, { context });
    if (revision === 'no_stream') throw new Error('an account kit was closed that is none');
    return this.deletions.end({ platformId, kitId, revision }, context);
  }
}
