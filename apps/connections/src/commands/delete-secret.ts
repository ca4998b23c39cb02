import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import type { CommandContext } from '#kernel';
import { vault } from '../domain/vault.decide.js';

export interface SecretDeletion {
  tenantId: string;
  userId: string;
  name: string;
}

/** Answers the position of its event. */
export class DeleteSecret extends Command<bigint> {
  constructor(
    readonly deletion: SecretDeletion,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(DeleteSecret)
export class DeleteSecretHandler implements ICommandHandler<DeleteSecret> {
  constructor(private readonly aggregates: Aggregates) {}

  /** Throws `not_found` when there is no such secret. */
  async execute({ deletion: { tenantId, userId, name }, context }: DeleteSecret): Promise<bigint> {
    const command = { kind: 'delete' as const, tenant_id: tenantId, name };
    const { position } = await this.aggregates.execute(vault, userId, command, { context });
    return position;
  }
}
