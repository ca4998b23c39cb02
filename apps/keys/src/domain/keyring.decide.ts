import { type Decider, illegalState, invalidInput, notFound } from '#kernel';
import type {
  IssueKey,
  KeyIssued,
  KeyRevoked,
  KeyringCommand,
  KeyringEvent,
  KeyringState,
} from './keyring.js';

export const MAX_LIVE_KEYS = 1_000;

/** The API keys of one user: any number over time, and none ever after the keyring is closed. */
export const keyring: Decider<KeyringState, KeyringCommand, KeyringEvent> = {
  category: 'keyring',
  initialState: { lifecycle: 'absent' },

  decide(command, state) {
    if (state.lifecycle !== 'absent' && state.tenant_id !== command.tenant_id) throw notFound('user');
    if (command.kind === 'close') return close(command, state);
    // The user was deleted.
    if (state.lifecycle === 'closed') throw notFound('user');
    return command.kind === 'issue' ? [issue(command, state)] : [revoke(command, state)];
  },

  evolve(state, event) {
    switch (event.type) {
      case 'keyring.key-issued.v1': {
        const { platform_id, tenant_id, subject_key, key_id, expires_at, issued_at } = event.data;
        const keys = liveKeys(state, issued_at).set(key_id, expires_at);
        return { lifecycle: 'open', platform_id, tenant_id, subject_key, keys };
      }
      case 'keyring.key-revoked.v1': {
        if (state.lifecycle !== 'open') throw new Error(`${event.type} on a keyring that is not open`);
        const keys = new Map(state.keys);
        keys.delete(event.data.key_id);
        return { ...state, keys };
      }
      case 'keyring.closed.v1':
        return { lifecycle: 'closed', ...event.data };
    }
  },
};

function issue(command: IssueKey, state: Exclude<KeyringState, { lifecycle: 'closed' }>): KeyIssued {
  const { kind: _, ...data } = command;
  if (data.expires_at !== null && data.expires_at <= data.issued_at) {
    throw invalidInput('expires_at', 'must be in the future');
  }
  if (liveKeys(state, data.issued_at).size >= MAX_LIVE_KEYS) {
    throw illegalState(`a user can have at most ${MAX_LIVE_KEYS} live keys`);
  }
  const subject_key = state.lifecycle === 'open' ? state.subject_key : data.subject_key;
  return { type: 'keyring.key-issued.v1', data: { ...data, subject_key } };
}

/** Only a live key can be revoked: one that has ended is not known here any more. */
function revoke(command: Extract<KeyringCommand, { kind: 'revoke' }>, state: KeyringState): KeyRevoked {
  const { key_id, at } = command;
  if (state.lifecycle !== 'open' || !isLive(state.keys.get(key_id), at)) throw notFound('key');
  const { platform_id, tenant_id } = state;
  return { type: 'keyring.key-revoked.v1', data: { platform_id, tenant_id, key_id } };
}

/** Closes a keyring that never was, too: a key that is asked for later must find it closed. */
function close(command: Extract<KeyringCommand, { kind: 'close' }>, state: KeyringState): KeyringEvent[] {
  if (state.lifecycle === 'closed') return [];
  const { platform_id, tenant_id, at } = command;
  const subject_key = state.lifecycle === 'open' ? state.subject_key : null;
  const removed = { keys: liveKeys(state, at).size };
  return [{ type: 'keyring.closed.v1', data: { platform_id, tenant_id, subject_key, removed } }];
}

function liveKeys(state: KeyringState, at: string): Map<string, string | null> {
  const keys = new Map(state.lifecycle === 'open' ? state.keys : []);
  for (const [id, expiresAt] of keys) if (!isLive(expiresAt, at)) keys.delete(id);
  return keys;
}

const isLive = (expiresAt: string | null | undefined, at: string): boolean =>
  expiresAt === null || (expiresAt !== undefined && expiresAt > at);
