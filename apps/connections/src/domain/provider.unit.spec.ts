import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { given } from '#testing';
import { provider } from './provider.decide.js';
import type { ProviderEvent } from './provider.js';

const stored = (type: string) =>
  JSON.parse(readFileSync(new URL(`./fixtures/${type}.json`, import.meta.url), 'utf8')) as ProviderEvent;
const CONFIGURED = stored('provider.configured.v1') as Extract<
  ProviderEvent,
  { type: 'provider.configured.v1' }
>;
const REMOVED = stored('provider.removed.v1');
const configure = (changes: Partial<(typeof CONFIGURED)['data']> = {}) => ({
  kind: 'configure' as const,
  data: { ...CONFIGURED.data, ...changes },
});

describe('a provider', () => {
  it('given none, then it is configured, and replaced as a whole under the same key', () => {
    given(provider, []).when(configure()).then([CONFIGURED]);
    const changed = configure({ scopes: [], sealed: null });
    given(provider, [CONFIGURED])
      .when(changed)
      .then([{ type: 'provider.configured.v1', data: changed.data }]);
  });

  it('given two who configure it at once, then the second is refused', () => {
    given(provider, [CONFIGURED])
      .when(configure({ subject_key: '18' }))
      .thenRefused('conflict');
  });

  it('given that it is removed, then it can be configured anew, under another key', () => {
    given(provider, [CONFIGURED]).when({ kind: 'remove' }).then([REMOVED]);
    given(provider, [CONFIGURED, REMOVED]).when({ kind: 'remove' }).thenRefused('not_found');
    given(provider, []).when({ kind: 'remove' }).thenRefused('not_found');
    const anew = configure({ subject_key: '18' });
    given(provider, [CONFIGURED, REMOVED])
      .when(anew)
      .then([{ type: 'provider.configured.v1', data: anew.data }]);
  });

  it('given each stored version of each event, when it is loaded, then it is what they tell', () => {
    const configured = provider.evolve(provider.initialState, CONFIGURED);
    expect(configured).toEqual({ lifecycle: 'configured', ...CONFIGURED.data });
    expect(provider.evolve(configured, REMOVED)).toEqual({ lifecycle: 'removed', subject_key: '17' });
  });
});
