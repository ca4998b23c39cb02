import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { notFound } from '#kernel';
import { ContextCommand } from '#platform';
import { secretNamed, vault } from '../domain/vault.decide.js';
import type { SecretResource } from '../http/vault.dto.js';
import { Secrets } from '../read-models/secrets.js';

/** Reading a secret leaves a trace in the log, so it is a command. Answers the secret. */
export class ReadSecret extends ContextCommand<
  { tenantId: string; userId: string; name: string },
  SecretResource
> {}

@CommandHandler(ReadSecret)
export class ReadSecretHandler implements ICommandHandler<ReadSecret> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly secrets: Secrets,
  ) {}

  /** Throws `not_found` when there is no such secret, and leaves no trace of that. */
  async execute({ given: { tenantId, userId, name }, context }: ReadSecret): Promise<SecretResource> {
    const command = { kind: 'read' as const, tenant_id: tenantId, name };
    const { state } = await this.aggregates.execute(vault, userId, command, { context });
    const known = secretNamed(name, state);
    const secret = known && (await this.secrets.get({ tenantId, userId }, name, known.name_index));
    if (!secret) throw notFound('secret');
    return secret;
  }
}
