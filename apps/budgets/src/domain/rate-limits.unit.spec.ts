import { describe, it } from '@jest/globals';
import { given } from '#testing';
import { type RateLimitsEvent, rateLimits } from './rate-limits.js';

const TENANT = { platform_id: 'platform', tenant_id: 'tenant' };
const at = '2028-02-29T12:00:00.000Z';
const rate = { limit: 5, window_seconds: 60 };

const override = (name = 'requests', other: Partial<typeof rate> = {}) =>
  ({ kind: 'override', ...TENANT, name, ...rate, ...other, at }) as const;
const remove = { kind: 'remove', ...TENANT, name: 'requests', at } as const;
const close = { kind: 'close', ...TENANT, at } as const;

const overridden = (name = 'requests', other: Partial<typeof rate> = {}): RateLimitsEvent => ({
  type: 'rate-limits.overridden.v1',
  data: { ...TENANT, name, ...rate, ...other, at },
});
const removed: RateLimitsEvent = {
  type: 'rate-limits.override-removed.v1',
  data: { ...TENANT, name: 'requests', at },
};
const closed: RateLimitsEvent = { type: 'rate-limits.closed.v1', data: { ...TENANT, at } };

describe("a user's rate limits", () => {
  it('when one is overridden, then it holds', () => {
    given(rateLimits, []).when(override()).then([overridden()]);
  });

  it.each([{ limit: 6 }, { window_seconds: 61 }])(
    'given an override, when it changes by %j, then so it does',
    (by) => {
      given(rateLimits, [overridden()])
        .when(override('requests', by))
        .then([overridden('requests', by)]);
    },
  );

  it('given an override, when set as it is, then nothing changes', () => {
    given(rateLimits, [overridden()]).when(override()).then([]);
  });

  it('given fifty, then a further one is refused and one of them can change', () => {
    const fifty = Array.from({ length: 50 }, (_, index) => overridden(`limit-${index}`));
    given(rateLimits, fifty).when(override()).thenRefused('illegal_state');
    given(rateLimits, fifty)
      .when(override('limit-7', { limit: 6 }))
      .then([overridden('limit-7', { limit: 6 })]);
  });

  it('given an override, when taken back, then it is gone, once', () => {
    given(rateLimits, [overridden()]).when(remove).then([removed]);
    given(rateLimits, [overridden(), removed]).when(remove).thenRefused('not_found');
    given(rateLimits, [overridden(), removed]).when(override()).then([overridden()]);
  });

  it('given none, when one is taken back, then it is not found', () => {
    given(rateLimits, []).when(remove).thenRefused('not_found');
  });

  it('in another tenant, then the user is not found', () => {
    given(rateLimits, [overridden()])
      .when({ ...override(), tenant_id: 'other' })
      .thenRefused('not_found');
  });

  it.each([[[]], [[overridden()]]])(
    'given %j, when the user is deleted, then they are closed for ever',
    (past) => {
      given(rateLimits, past).when(close).then([closed]);
      given(rateLimits, [...past, closed])
        .when(close)
        .then([]);
      for (const command of [override(), remove]) {
        given(rateLimits, [...past, closed])
          .when(command)
          .thenRefused('not_found');
      }
    },
  );
});
