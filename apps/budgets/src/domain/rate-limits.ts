import { type Decider, type DomainEvent, illegalState, notFound, snapshotFormat } from '#kernel';

const MAX_OVERRIDES = 50;

interface Scope {
  platform_id: string;
  tenant_id: string;
}

/** How much a sliding window of so many seconds allows. */
export interface RateLimit {
  limit: number;
  window_seconds: number;
}

export type RateLimitOverridden = DomainEvent<
  'rate-limits.overridden.v1',
  Scope & RateLimit & { name: string; at: string }
>;

export type OverrideRemoved = DomainEvent<
  'rate-limits.override-removed.v1',
  Scope & { name: string; at: string }
>;

/** The last event. */
export type RateLimitsClosed = DomainEvent<'rate-limits.closed.v1', Scope & { at: string }>;

export type RateLimitsEvent = RateLimitOverridden | OverrideRemoved | RateLimitsClosed;

export type RateLimitsState =
  | { lifecycle: 'absent' }
  | (Scope & { lifecycle: 'open'; overrides: ReadonlyMap<string, RateLimit> })
  | (Scope & { lifecycle: 'closed' });

export type RateLimitsCommand =
  | (Scope & RateLimit & { kind: 'override'; name: string; at: string })
  | (Scope & { kind: 'remove'; name: string; at: string })
  | (Scope & { kind: 'close'; at: string });

/**
 * What a user's rate limits are in place of the kit's. Once closed, also before there was any, it refuses
 * everything for ever: the user is gone.
 */
export const rateLimits: Decider<RateLimitsState, RateLimitsCommand, RateLimitsEvent> = {
  category: 'rateLimits',
  initialState: { lifecycle: 'absent' },
  snapshot: snapshotFormat({ version: 1, maps: ['overrides'] }),

  decide(command, state) {
    if (state.lifecycle !== 'absent' && state.tenant_id !== command.tenant_id) throw notFound('user');
    if (command.kind === 'close') {
      const { kind: _, ...data } = command;
      return state.lifecycle === 'closed' ? [] : [{ type: 'rate-limits.closed.v1', data }];
    }
    if (state.lifecycle === 'closed') throw notFound('user');
    const overrides = state.lifecycle === 'open' ? state.overrides : new Map<string, RateLimit>();
    const current = overrides.get(command.name);
    if (command.kind === 'remove') {
      if (!current) throw notFound('rate limit override');
      const { kind: _, ...data } = command;
      return [{ type: 'rate-limits.override-removed.v1', data }];
    }
    const { kind: _, ...data } = command;
    if (current?.limit === data.limit && current.window_seconds === data.window_seconds) return [];
    if (!current && overrides.size >= MAX_OVERRIDES) {
      throw illegalState(`a user has at most ${MAX_OVERRIDES} overrides`);
    }
    return [{ type: 'rate-limits.overridden.v1', data }];
  },

  evolve(state, { type, data }) {
    const { platform_id, tenant_id } = data;
    if (type === 'rate-limits.closed.v1') return { lifecycle: 'closed', platform_id, tenant_id };
    const overrides = new Map(state.lifecycle === 'open' ? state.overrides : []);
    if (type === 'rate-limits.override-removed.v1') overrides.delete(data.name);
    else overrides.set(data.name, { limit: data.limit, window_seconds: data.window_seconds });
    return { lifecycle: 'open', platform_id, tenant_id, overrides };
  },
};
