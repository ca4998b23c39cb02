import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { streamName } from '#kernel';
import { ContextCommand, KEY_STORE } from '#platform';
import { Sealer, type SubjectKeyStore } from '#privacy';
import { provider } from '../domain/provider.decide.js';
import type { ProviderSettings } from '../domain/provider.js';
import { providerId, SECRET } from './provider-access.js';

export interface NewProvider {
  platformId: string;
  name: string;
  settings: ProviderSettings;
  /** The client's secret or the header's value. */
  secret: string | null;
}

/** Answers the position of its event. */
export class ConfigureProvider extends ContextCommand<NewProvider> {}

@CommandHandler(ConfigureProvider)
export class ConfigureProviderHandler implements ICommandHandler<ConfigureProvider> {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly sealer: Sealer,
    @Inject(KEY_STORE) private readonly subjectKeys: SubjectKeyStore,
  ) {}

  /** Makes the provider or replaces it as a whole. */
  async execute({ given: wanted, context }: ConfigureProvider): Promise<bigint> {
    const { platformId, name, settings, secret } = wanted;
    const id = providerId(platformId, name);
    const { state } = await this.aggregates.load(provider, id);
    const subject_key =
      state.lifecycle === 'configured' ? state.subject_key : await this.subjectKeys.assign();
    const stream = streamName('provider', id);
    const sealed = secret === null ? null : await this.sealer.seal(subject_key, stream, { secret }, SECRET);
    const data = { platform_id: platformId, name, ...settings, subject_key, sealed };
    const { position } = await this.aggregates.execute(
      provider,
      id,
      { kind: 'configure', data },
      { context, expectNew: state.lifecycle === 'absent' },
    );
    return position;
  }
}
