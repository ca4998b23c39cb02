import { type Decider, notFound, snapshotFormat, TenantryError } from '#kernel';
import type { ProviderCommand, ProviderEvent, ProviderState } from './provider.js';

/** Whom the users of a platform can connect to, by name: configured, replaced and removed at will. */
export const provider: Decider<ProviderState, ProviderCommand, ProviderEvent> = {
  category: 'provider',
  initialState: { lifecycle: 'absent' },
  snapshot: snapshotFormat({
    version: 1,
    subjectKey: (state) => (state.lifecycle === 'configured' ? state.subject_key : null),
  }),

  decide(command, state) {
    if (command.kind === 'remove') {
      if (state.lifecycle !== 'configured') throw notFound('provider');
      const { platform_id, name, subject_key } = state;
      return [{ type: 'provider.removed.v1', data: { platform_id, name, subject_key } }];
    }
    // What is sealed under another key would outlive the removal, which destroys one.
    if (state.lifecycle === 'configured' && state.subject_key !== command.data.subject_key) {
      throw new TenantryError('conflict', 'the provider is being configured by someone else');
    }
    return [{ type: 'provider.configured.v1', data: command.data }];
  },

  evolve: (_, event) =>
    event.type === 'provider.removed.v1'
      ? { lifecycle: 'removed', subject_key: event.data.subject_key }
      : { lifecycle: 'configured', ...event.data },
};
