import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { ContextCommand } from '#platform';
import { vault } from '../domain/vault.decide.js';

export interface SecretDeletion {
  tenantId: string;
  userId: string;
  name: string;
}

/** Answers the position of its event. */
export class DeleteSecret extends ContextCommand<SecretDeletion> {}

@CommandHandler(DeleteSecret)
export class DeleteSecretHandler implements ICommandHandler<DeleteSecret> {
  constructor(private readonly aggregates: Aggregates) {}

  /** Throws `not_found` when there is no such secret. */
  async execute({ given: { tenantId, userId, name }, context }: DeleteSecret): Promise<bigint> {
    const command = { kind: 'delete' as const, tenant_id: tenantId, name };
    const { position } = await this.aggregates.execute(vault, userId, command, { context });
    return position;
  }
}
