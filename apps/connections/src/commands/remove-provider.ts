import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { ContextCommand, KEY_STORE } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import { provider } from '../domain/provider.decide.js';
import { providerId } from './provider-access.js';

/** Answers the position of its event. */
export class RemoveProvider extends ContextCommand<{ platformId: string; name: string }> {}

@CommandHandler(RemoveProvider)
export class RemoveProviderHandler implements ICommandHandler<RemoveProvider> {
  constructor(
    private readonly aggregates: Aggregates,
    @Inject(KEY_STORE) private readonly subjectKeys: SubjectKeyStore,
  ) {}

  /** Destroys its secret, too. Throws `not_found` when there is no such provider. */
  async execute({ given: { platformId, name }, context }: RemoveProvider): Promise<bigint> {
    const id = providerId(platformId, name);
    const { state, position } = await this.aggregates.execute(provider, id, { kind: 'remove' }, { context });
    if (state.lifecycle === 'removed') await this.subjectKeys.destroy([state.subject_key]);
    return position;
  }
}
