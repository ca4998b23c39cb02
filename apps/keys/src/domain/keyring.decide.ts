import { type Decider, illegalState, invalidInput, notFound, snapshotFormat } from '#kernel';
import type {
  HeldKey,
  IssueKey,
  KeyIssued,
  KeyRevoked,
  KeyRotated,
  KeyringCommand,
  KeyringEvent,
  KeyringState,
  OpenKeyring,
  RotateKey,
} from './keyring.js';

export const MAX_LIVE_KEYS = 1_000;

/** How far a clock may be set back without a key being valid that the keyring has dropped. */
const KEPT_AFTER_END_MS = 24 * 60 * 60 * 1_000;

/** The API keys of one user: any number over time, and none ever after the keyring is closed. */
export const keyring: Decider<KeyringState, KeyringCommand, KeyringEvent> = {
  category: 'keyring',
  initialState: { lifecycle: 'absent' },
  snapshot: snapshotFormat({
    version: 1,
    maps: ['keys'],
    subjectKey: (state) => (state.lifecycle === 'open' ? state.subject_key : null),
  }),

  decide(command, state) {
    if (state.lifecycle !== 'absent' && state.tenant_id !== command.tenant_id) throw notFound('user');
    if (command.kind === 'close') return close(command, state);
    // The user was deleted.
    if (state.lifecycle === 'closed') throw notFound('user');
    switch (command.kind) {
      case 'issue':
        return [issue(command, state)];
      case 'rotate':
        return rotate(command, state);
      case 'revoke':
        return [revoke(command, state)];
    }
  },

  evolve(state, event) {
    switch (event.type) {
      case 'keyring.key-issued.v1': {
        const { platform_id, tenant_id, subject_key } = event.data;
        return { lifecycle: 'open', platform_id, tenant_id, subject_key, keys: withIssued(state, event) };
      }
      case 'keyring.key-rotated.v1': {
        const { keys, ...rest } = opened(state, event);
        return { ...rest, keys: withRotated(keys, event) };
      }
      case 'keyring.key-revoked.v1': {
        const { keys: held, ...rest } = opened(state, event);
        const keys = new Map(held);
        keys.delete(event.data.key_id);
        return { ...rest, keys };
      }
      case 'keyring.closed.v1':
        return { lifecycle: 'closed', ...event.data };
    }
  },
};

/** When a key ends by time: at its expiry or at the end of its grace, whichever comes first; null for never. */
export function endOf({ expires_at, ends_at }: Pick<HeldKey, 'expires_at' | 'ends_at'>): string | null {
  if (expires_at === null || ends_at === null) return expires_at ?? ends_at;
  return ends_at < expires_at ? ends_at : expires_at;
}

type Living = Exclude<KeyringState, { lifecycle: 'closed' }>;

function issue(command: IssueKey, state: Living): KeyIssued {
  const { kind: _, ...data } = command;
  if (data.expires_at !== null && data.expires_at <= data.issued_at) {
    throw invalidInput('expires_at', 'must be in the future');
  }
  if (countLive(state, data.issued_at) >= MAX_LIVE_KEYS) throw tooMany();
  const subject_key = state.lifecycle === 'open' ? state.subject_key : data.subject_key;
  return { type: 'keyring.key-issued.v1', data: { ...data, subject_key } };
}

/** The new key is as the old one was, its end by rotation aside. */
function rotate(command: RotateKey, state: Living): KeyringEvent[] {
  const { key_id, at, grace_seconds, replacement } = command;
  const { platform_id, tenant_id, subject_key, old } = liveKey(state, key_id, at);
  if (old.ends_at !== null) throw illegalState('the key was rotated already');
  // A key without grace makes room for the new one.
  const ending = grace_seconds === 0 ? 1 : 0;
  if (countLive(state, at) - ending >= MAX_LIVE_KEYS) throw tooMany();
  const ends_at = new Date(Date.parse(at) + grace_seconds * 1_000).toISOString();
  const scope = { platform_id, tenant_id };
  const { name, scopes, expires_at } = old;
  return [
    {
      type: 'keyring.key-rotated.v1',
      data: { ...scope, key_id, replaced_by: replacement.key_id, rotated_at: at, ends_at },
    },
    {
      type: 'keyring.key-issued.v1',
      data: { ...scope, ...replacement, scopes, issued_at: at, expires_at, subject_key, personal: { name } },
    },
  ];
}

/** Only a live key can be revoked: one that has ended is not known here any more. */
function revoke(command: Extract<KeyringCommand, { kind: 'revoke' }>, state: Living): KeyRevoked {
  const { key_id, at } = command;
  const { platform_id, tenant_id } = liveKey(state, key_id, at);
  return { type: 'keyring.key-revoked.v1', data: { platform_id, tenant_id, key_id } };
}

/** Closes a keyring that never was, too: a key that is asked for later must find it closed. */
function close(command: Extract<KeyringCommand, { kind: 'close' }>, state: KeyringState): KeyringEvent[] {
  if (state.lifecycle === 'closed') return [];
  const { platform_id, tenant_id, at } = command;
  const subject_key = state.lifecycle === 'open' ? state.subject_key : null;
  const removed = { keys: countLive(state, at) };
  return [{ type: 'keyring.closed.v1', data: { platform_id, tenant_id, subject_key, removed } }];
}

function liveKey(state: Living, keyId: string, at: string): OpenKeyring & { old: HeldKey } {
  const old = state.lifecycle === 'open' ? state.keys.get(keyId) : undefined;
  if (state.lifecycle !== 'open' || !old || !isLive(old, at)) throw notFound('key');
  return { ...state, old };
}

const tooMany = () => illegalState(`a user can have at most ${MAX_LIVE_KEYS} live keys`);

function countLive(state: KeyringState, at: string): number {
  if (state.lifecycle !== 'open') return 0;
  return [...state.keys.values()].filter((key) => isLive(key, at)).length;
}

function isLive(key: HeldKey, at: string): boolean {
  const end = endOf(key);
  return end === null || end > at;
}

function withIssued(state: KeyringState, { data }: KeyIssued): Map<string, HeldKey> {
  const { key_id, scopes, expires_at, issued_at, personal } = data;
  const keys = new Map(state.lifecycle === 'open' ? state.keys : []);
  const endedBefore = new Date(Date.parse(issued_at) - KEPT_AFTER_END_MS).toISOString();
  for (const [id, key] of keys) if (!isLive(key, endedBefore)) keys.delete(id);
  // The name is unreadable only once the keyring is closed, and what follows then needs none.
  return keys.set(key_id, { name: personal?.name ?? '', scopes, expires_at, ends_at: null });
}

/** Without grace the old key has ended for good: a clock that is set back does not bring it back. */
function withRotated(held: OpenKeyring['keys'], { data }: KeyRotated): Map<string, HeldKey> {
  const { key_id, rotated_at, ends_at } = data;
  const keys = new Map(held);
  const key = keys.get(key_id);
  if (!key) throw new Error('a key was rotated that is not held');
  if (ends_at <= rotated_at) keys.delete(key_id);
  else keys.set(key_id, { ...key, ends_at });
  return keys;
}

function opened(state: KeyringState, event: KeyringEvent): OpenKeyring {
  if (state.lifecycle !== 'open') throw new Error(`${event.type} on a keyring that is not open`);
  return state;
}
