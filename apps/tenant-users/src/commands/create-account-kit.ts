import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { newId } from '#kernel';
import { ContextCommand } from '#platform';
import { accountKit, type KitPolicy } from '../domain/account-kit.js';

export interface NewAccountKit {
  platformId: string;
  name: string;
  policy: KitPolicy;
}

export interface CreatedAccountKit {
  id: string;
  position: bigint;
}

export class CreateAccountKit extends ContextCommand<NewAccountKit, CreatedAccountKit> {}

@CommandHandler(CreateAccountKit)
export class CreateAccountKitHandler implements ICommandHandler<CreateAccountKit> {
  constructor(private readonly aggregates: Aggregates) {}

  async execute({ given: kit, context }: CreateAccountKit): Promise<CreatedAccountKit> {
    const id = newId();
    const { platformId, name, policy } = kit;
    const data = { platform_id: platformId, name, is_default: false, ...policy };
    const command = { kind: 'create' as const, ...data };
    const { position } = await this.aggregates.execute(accountKit, id, command, { context, expectNew: true });
    return { id, position };
  }
}
