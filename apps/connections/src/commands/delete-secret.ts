import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { ContextCommand } from '#platform';
import { vault } from '../domain/vault.decide.js';
import { SecretNames } from './secret-names.js';

export interface SecretDeletion {
  tenantId: string;
  userId: string;
  name: string;
}

/** Answers the position of its event. */
export class DeleteSecret extends ContextCommand<SecretDeletion> {}

@CommandHandler(DeleteSecret)
export class DeleteSecretHandler implements ICommandHandler<DeleteSecret> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly names: SecretNames,
  ) {}

  /** Throws `not_found` when there is no such secret. */
  async execute({ given: { tenantId, userId, name }, context }: DeleteSecret): Promise<bigint> {
    const name_index = this.names.index(userId, name);
    const command = { kind: 'delete' as const, tenant_id: tenantId, name_index };
    const { position } = await this.aggregates.execute(vault, userId, command, { context });
    return position;
  }
}
