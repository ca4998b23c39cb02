import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { newId } from '#kernel';
import { ContextCommand, KEY_STORE } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import { vault } from '../domain/vault.decide.js';

export interface NewSecret {
  platformId: string;
  tenantId: string;
  userId: string;
  name: string;
  value: string;
}

/** Answers the position of its event. */
export class PutSecret extends ContextCommand<NewSecret> {}

@CommandHandler(PutSecret)
export class PutSecretHandler implements ICommandHandler<PutSecret> {
  constructor(
    private readonly aggregates: Aggregates,
    @Inject(KEY_STORE) private readonly subjectKeys: SubjectKeyStore,
  ) {}

  /** Makes or replaces the secret. Throws `illegal_state` for one more than a user can have. */
  async execute({ given: secret, context }: PutSecret): Promise<bigint> {
    const { platformId, tenantId, userId, name, value } = secret;
    const { state } = await this.aggregates.peek(vault, userId);
    const { position } = await this.aggregates.execute(
      vault,
      userId,
      {
        kind: 'put',
        platform_id: platformId,
        tenant_id: tenantId,
        secret_id: newId(),
        subject_key: state.lifecycle === 'open' ? state.subject_key : await this.subjectKeys.assign(),
        personal: { name, value },
      },
      { context, expectNew: state.lifecycle === 'absent' },
    );
    return position;
  }
}
