import {
  type Decider,
  type DomainEvent,
  illegalState,
  invalidInput,
  notFound,
  snapshotFormat,
} from '#kernel';
import { differing } from './differing.js';

export const BUDGET_PERIODS = ['monthly', 'none'] as const;
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number];

export interface RateLimit {
  /** Units that a window allows. */
  limit: number;
  window_seconds: number;
}

/** What a kit lays down for its users. */
export interface KitPolicy {
  /** Micro-USD; null for the platform's default. */
  budget_micro_usd: number | null;
  budget_period: BudgetPeriod;
  /** The scopes that keys may have; null for any. */
  key_scopes: string[] | null;
  rate_limits: { [name: string]: RateLimit };
  /** The providers that may be connected; null for any. */
  allowed_providers: string[] | null;
}

export const OPEN_POLICY: KitPolicy = {
  budget_micro_usd: null,
  budget_period: 'monthly',
  key_scopes: null,
  rate_limits: {},
  allowed_providers: null,
};

/** What a new user may spend: the kit's budget, or else the platform's default, each calendar month. */
export function startingBudget(
  { budget_micro_usd, budget_period }: KitPolicy,
  platformDefault: number | null,
): { limit: number; period: BudgetPeriod } | null {
  if (budget_micro_usd !== null) return { limit: budget_micro_usd, period: budget_period };
  return platformDefault === null ? null : { limit: platformDefault, period: 'monthly' };
}

/** What of the policy is absent is as in `OPEN_POLICY`. */
export type AccountKitCreated = DomainEvent<
  'account-kit.created.v1',
  { platform_id: string; name: string; is_default: boolean } & Partial<KitPolicy>
>;

/** What a patch may name; lists and rate limits are replaced as a whole. */
export type KitChanges = Partial<KitPolicy & { name: string }>;

/** Holds only what changed. */
export type AccountKitUpdated = DomainEvent<'account-kit.updated.v1', KitChanges & { platform_id: string }>;

/** From here on no user is given the kit. What follows is its end, or that it is as before. */
export type AccountKitClosing = DomainEvent<'account-kit.closing.v1', { platform_id: string }>;

/** A user had the kit. */
export type AccountKitReopened = DomainEvent<'account-kit.reopened.v1', { platform_id: string }>;

export type AccountKitDeleted = DomainEvent<'account-kit.deleted.v1', { platform_id: string }>;

export type AccountKitEvent =
  | AccountKitCreated
  | AccountKitUpdated
  | AccountKitClosing
  | AccountKitReopened
  | AccountKitDeleted;

export type AccountKitState =
  | { lifecycle: 'absent' }
  | ({ lifecycle: 'alive' | 'closing' | 'deleted' } & KitPolicy & AccountKitCreated['data']);

export type AccountKitCommand =
  | ({ kind: 'create' } & AccountKitCreated['data'])
  | { kind: 'update'; platform_id: string; changes: KitChanges }
  | { kind: 'close'; platform_id: string }
  /** `in_use`: a user has it, of all who were given it before it closed. */
  | { kind: 'end_closing'; platform_id: string; in_use: boolean };

/**
 * The named policy that governs users. Creating it again under the same id changes nothing. A kit is closed, then its
 * users are looked for, then it is deleted or opened again.
 */
export const accountKit: Decider<AccountKitState, AccountKitCommand, AccountKitEvent> = {
  category: 'accountKit',
  initialState: { lifecycle: 'absent' },
  snapshot: snapshotFormat({ version: 1 }),

  decide(command, state) {
    if (command.kind === 'create') {
      const { kind: _, ...data } = command;
      return state.lifecycle === 'absent' ? [{ type: 'account-kit.created.v1', data }] : [];
    }
    const { platform_id } = command;
    if (state.lifecycle === 'absent' || state.platform_id !== platform_id) throw notFound('account kit');
    if (command.kind === 'end_closing') {
      const type = command.in_use ? 'account-kit.reopened.v1' : 'account-kit.deleted.v1';
      return state.lifecycle === 'closing' ? [{ type, data: { platform_id } }] : [];
    }
    if (state.lifecycle === 'deleted') throw notFound('account kit');
    if (command.kind === 'update') {
      if (state.lifecycle === 'closing') throw beingDeleted();
      const data = differing(command.changes, state);
      return Object.keys(data).length > 0
        ? [{ type: 'account-kit.updated.v1', data: { platform_id, ...data } }]
        : [];
    }
    if (state.is_default) throw illegalState("the platform's default account kit cannot be deleted");
    return state.lifecycle === 'alive' ? [{ type: 'account-kit.closing.v1', data: { platform_id } }] : [];
  },

  evolve(state, event) {
    if (event.type === 'account-kit.created.v1') {
      return { lifecycle: 'alive', ...OPEN_POLICY, ...event.data };
    }
    if (state.lifecycle === 'absent') throw new Error(`${event.type} without an account kit`);
    switch (event.type) {
      case 'account-kit.closing.v1':
        return { ...state, lifecycle: 'closing' };
      case 'account-kit.reopened.v1':
        return { ...state, lifecycle: 'alive' };
      case 'account-kit.deleted.v1':
        return { ...state, lifecycle: 'deleted' };
      case 'account-kit.updated.v1':
        return { ...state, ...event.data };
    }
  },
};

const beingDeleted = () => illegalState('this account kit is being deleted');

/** Throws unless users may be given the kit: `illegal_state` while it is closing, `invalid_input` where it is none. */
export function requireOpen({ lifecycle }: AccountKitState): void {
  if (lifecycle === 'closing') throw beingDeleted();
  if (lifecycle !== 'alive') throw notAKit();
}

export const notAKit = () => invalidInput('account_kit_id', 'is not an account kit of this platform');
