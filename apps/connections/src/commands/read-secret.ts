import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { notFound } from '#kernel';
import { ContextCommand } from '#platform';
import { vault } from '../domain/vault.decide.js';
import type { SecretResource } from '../http/vault.dto.js';
import { Secrets } from '../read-models/secrets.js';
import { SecretNames } from './secret-names.js';

/** Reading a secret leaves a trace in the log, so it is a command. Answers the secret. */
export class ReadSecret extends ContextCommand<
  { tenantId: string; userId: string; name: string },
  SecretResource
> {}

@CommandHandler(ReadSecret)
export class ReadSecretHandler implements ICommandHandler<ReadSecret> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly names: SecretNames,
    private readonly secrets: Secrets,
  ) {}

  /** Throws `not_found` when there is no such secret, and leaves no trace of that. */
  async execute({ given: { tenantId, userId, name }, context }: ReadSecret): Promise<SecretResource> {
    const name_index = this.names.index(userId, name);
    const command = { kind: 'read' as const, tenant_id: tenantId, name_index };
    await this.aggregates.execute(vault, userId, command, { context });
    const secret = await this.secrets.get({ tenantId, userId }, name);
    if (!secret) throw notFound('secret');
    return secret;
  }
}
