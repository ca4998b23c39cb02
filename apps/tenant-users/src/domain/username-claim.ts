import type { Decider, DomainEvent } from '#kernel';

interface Holder {
  platform_id: string;
  tenant_id: string;
  user_id: string;
  /** A fresh UUID for each try, so that a late release can't end a later claim. */
  claim_id: string;
}

export type UsernameClaimed = DomainEvent<'username.claimed.v1', Holder>;
export type UsernameReleased = DomainEvent<'username.released.v1', Holder>;
export type UsernameClaimEvent = UsernameClaimed | UsernameReleased;

export type UsernameClaimState = { lifecycle: 'free' } | ({ lifecycle: 'held' } & Holder);

export type UsernameClaimCommand =
  | ({
      kind: 'claim';
      /** A claim of another user that is known to have come to nothing; null at the first try. */
      replaces: string | null;
    } & Holder)
  | { kind: 'release'; claim_id: string };

/**
 * One username of one tenant. Its stream is named after an HMAC, so it holds nobody's name. A claim that another
 * user holds is left alone: who asked sees from the state that it is held.
 */
export const usernameClaim: Decider<UsernameClaimState, UsernameClaimCommand, UsernameClaimEvent> = {
  category: 'username',
  initialState: { lifecycle: 'free' },

  decide(command, state) {
    const isHeld = state.lifecycle === 'held';
    if (command.kind === 'release') {
      if (!isHeld || state.claim_id !== command.claim_id) return [];
      const { lifecycle: _, ...data } = state;
      return [{ type: 'username.released.v1', data }];
    }
    const { kind: _, replaces, ...data } = command;
    if (isHeld && state.user_id !== data.user_id && state.claim_id !== replaces) return [];
    return [{ type: 'username.claimed.v1', data }];
  },

  evolve: (_, event) =>
    event.type === 'username.claimed.v1' ? { lifecycle: 'held', ...event.data } : { lifecycle: 'free' },
};
