import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { ContextCommand } from '#platform';
import { accountKit, type KitChanges } from '../domain/account-kit.js';

export interface AccountKitUpdate {
  platformId: string;
  kitId: string;
  changes: KitChanges;
}

/** Answers the position of the kit's latest event. */
export class UpdateAccountKit extends ContextCommand<AccountKitUpdate> {}

@CommandHandler(UpdateAccountKit)
export class UpdateAccountKitHandler implements ICommandHandler<UpdateAccountKit> {
  constructor(private readonly aggregates: Aggregates) {}

  async execute({ given: { platformId, kitId, changes }, context }: UpdateAccountKit): Promise<bigint> {
    const command = { kind: 'update' as const, platform_id: platformId, changes };
    const { position } = await this.aggregates.execute(accountKit, kitId, command, { context });
    return position;
  }
}
