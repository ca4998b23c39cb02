import { type Decider, type DomainEvent, illegalState } from '#kernel';

/** What a participant let go of, counted by kind. */
export type Removed = { [kind: string]: number };

interface Scope {
  platform_id: string;
  tenant_id: string;
  user_id: string;
}

interface RequestFacts {
  subject_key: string;
  /** The revision of the user's last event. */
  user_revision: number;
}

export type DeletionEvent =
  | DomainEvent<
      'deletion.requested.v1',
      Scope & RequestFacts & { participants: string[]; requested_at: string }
    >
  | DomainEvent<
      'deletion.participant-confirmed.v1',
      Scope & { participant: string; removed: Removed; confirmed_at: string }
    >
  | DomainEvent<'deletion.personal-data-key-destroyed.v1', Scope & { destroyed_at: string }>
  | DomainEvent<'deletion.completed.v1', Scope & { completed_at: string }>;

export interface RequestedDeletion extends Scope, RequestFacts {
  phase: 'pending' | 'completed';
  requested_at: string;
  /** Participants that have not confirmed yet. */
  awaited: string[];
}

export type DeletionState = { phase: 'absent' } | RequestedDeletion;

export type DeletionCommand =
  | (Scope & RequestFacts & { kind: 'request'; participants: readonly string[]; at: string })
  | { kind: 'confirm'; participant: string; removed: Removed; at: string }
  | { kind: 'complete'; keyDestroyedAt: string; at: string };

/**
 * The process that ends a user: requested → each participant confirmed → personal data key destroyed →
 * completed. Every step may come twice and changes nothing the second time.
 */
export const deletion: Decider<DeletionState, DeletionCommand, DeletionEvent> = {
  category: 'deletion',
  initialState: { phase: 'absent' },

  decide(command, state) {
    if (command.kind === 'request') return state.phase === 'absent' ? [request(command)] : [];
    if (state.phase === 'absent') throw illegalState('this deletion was not requested');
    if (command.kind === 'confirm') {
      if (!state.awaited.includes(command.participant)) return [];
      const { participant, removed, at } = command;
      const data = { ...scopeOf(state), participant, removed, confirmed_at: at };
      return [{ type: 'deletion.participant-confirmed.v1', data }];
    }
    if (state.phase === 'completed') return [];
    if (state.awaited.length > 0) throw illegalState('participants of this deletion are still awaited');
    return [
      {
        type: 'deletion.personal-data-key-destroyed.v1',
        data: { ...scopeOf(state), destroyed_at: command.keyDestroyedAt },
      },
      { type: 'deletion.completed.v1', data: { ...scopeOf(state), completed_at: command.at } },
    ];
  },

  evolve(state, event) {
    if (event.type === 'deletion.requested.v1') {
      const { participants, ...rest } = event.data;
      return { ...rest, phase: 'pending', awaited: participants };
    }
    if (state.phase === 'absent') throw new Error(`${event.type} without a request`);
    switch (event.type) {
      case 'deletion.participant-confirmed.v1':
        return { ...state, awaited: state.awaited.filter((name) => name !== event.data.participant) };
      case 'deletion.personal-data-key-destroyed.v1':
        return state;
      case 'deletion.completed.v1':
        return { ...state, phase: 'completed' };
    }
  },
};

function request(command: Extract<DeletionCommand, { kind: 'request' }>): DeletionEvent {
  const { kind: _, at, participants, ...data } = command;
  return {
    type: 'deletion.requested.v1',
    data: { ...data, participants: [...participants], requested_at: at },
  };
}

const scopeOf = ({ platform_id, tenant_id, user_id }: RequestedDeletion): Scope => ({
  platform_id,
  tenant_id,
  user_id,
});
