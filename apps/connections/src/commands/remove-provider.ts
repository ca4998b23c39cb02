import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import type { CommandContext } from '#kernel';
import { KEY_STORE } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import { provider } from '../domain/provider.decide.js';
import { providerId } from './provider-access.js';

/** Answers the position of its event. */
export class RemoveProvider extends Command<bigint> {
  constructor(
    readonly removal: { platformId: string; name: string },
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(RemoveProvider)
export class RemoveProviderHandler implements ICommandHandler<RemoveProvider> {
  constructor(
    private readonly aggregates: Aggregates,
    @Inject(KEY_STORE) private readonly subjectKeys: SubjectKeyStore,
  ) {}

  /** Destroys its secret, too. Throws `not_found` when there is no such provider. */
  async execute({ removal: { platformId, name }, context }: RemoveProvider): Promise<bigint> {
    const id = providerId(platformId, name);
    const { state, position } = await this.aggregates.execute(provider, id, { kind: 'remove' }, { context });
    if (state.lifecycle === 'removed') await this.subjectKeys.destroy([state.subject_key]);
    return position;
  }
}
