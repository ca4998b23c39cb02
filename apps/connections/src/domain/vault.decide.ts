import { type Decider, illegalState, notFound, snapshotFormat } from '#kernel';
import type {
  OpenVault,
  PutSecret,
  SecretDeleted,
  SecretPut,
  SecretRead,
  VaultClosed,
  VaultCommand,
  VaultEvent,
  VaultState,
} from './vault.js';

export const MAX_SECRETS = 1_000;

const NO_SECRETS: OpenVault['secrets'] = new Map();

/** The secrets of one user: put, replaced and deleted at will, and none ever after the vault is closed. */
export const vault: Decider<VaultState, VaultCommand, VaultEvent> = {
  category: 'vault',
  initialState: { lifecycle: 'absent' },
  snapshot: snapshotFormat({
    version: 2,
    maps: ['secrets'],
    subjectKey: (state) => (state.lifecycle === 'open' ? state.subject_key : null),
  }),

  decide(command, state) {
    if (state.lifecycle !== 'absent' && state.tenant_id !== command.tenant_id) throw notFound('user');
    if (command.kind === 'close') return state.lifecycle === 'closed' ? [] : [close(command, state)];
    // The user is gone, and so is whoever asks in their name.
    if (state.lifecycle === 'closed') throw notFound('user');
    if (command.kind === 'put') return [put(command, state)];
    return [command.kind === 'read' ? read(command.name, state) : remove(command.name, state)];
  },

  evolve(state, event) {
    switch (event.type) {
      case 'vault.secret-put.v1': {
        const { platform_id, tenant_id, subject_key, name_index, version, personal } = event.data;
        const secrets = new Map(secretsOf(state)).set(name_index, { name: personal?.name ?? null, version });
        return { lifecycle: 'open', platform_id, tenant_id, subject_key, secrets };
      }
      case 'vault.secret-read.v1':
        return state;
      case 'vault.secret-deleted.v1': {
        if (state.lifecycle !== 'open') throw new Error(`${event.type} on a vault that is not open`);
        const secrets = new Map(state.secrets);
        secrets.delete(event.data.name_index);
        return { ...state, secrets };
      }
      case 'vault.closed.v1':
        return { lifecycle: 'closed', ...event.data };
    }
  },
};

function put({ platform_id, tenant_id, personal, ...made }: PutSecret, state: VaultState): SecretPut {
  const { name_index, version } = secretNamed(personal.name, state) ?? {
    name_index: made.secret_id,
    version: 0,
  };
  if (version === 0 && secretsOf(state).size >= MAX_SECRETS) {
    throw illegalState(`a user can have at most ${MAX_SECRETS} secrets`);
  }
  const { subject_key } = state.lifecycle === 'open' ? state : made;
  const told = { name_index, version: version + 1, subject_key, personal };
  return { type: 'vault.secret-put.v1', data: { platform_id, tenant_id, ...told } };
}

function read(name: string, state: VaultState): SecretRead {
  const secret = secretNamed(name, state);
  if (state.lifecycle !== 'open' || !secret) throw missing(state);
  const { platform_id, tenant_id } = state;
  return { type: 'vault.secret-read.v1', data: { platform_id, tenant_id, ...secret } };
}

function remove(name: string, state: VaultState): SecretDeleted {
  const secret = secretNamed(name, state);
  if (state.lifecycle !== 'open' || !secret) throw missing(state);
  const { platform_id, tenant_id } = state;
  return { type: 'vault.secret-deleted.v1', data: { platform_id, tenant_id, name_index: secret.name_index } };
}

/** Closes a vault that never was, too: a secret that comes later must find it closed. */
function close(command: Extract<VaultCommand, { kind: 'close' }>, state: VaultState): VaultClosed {
  const { platform_id, tenant_id } = command;
  const subject_key = state.lifecycle === 'open' ? state.subject_key : null;
  const removed = { secrets: secretsOf(state).size };
  return { type: 'vault.closed.v1', data: { platform_id, tenant_id, subject_key, removed } };
}

const secretsOf = (state: VaultState): OpenVault['secrets'] =>
  state.lifecycle === 'open' ? state.secrets : NO_SECRETS;

/** Undefined where there is none. */
export function secretNamed(
  name: string,
  state: VaultState,
): { name_index: string; version: number } | undefined {
  for (const [name_index, secret] of secretsOf(state)) {
    if (secret.name === name) return { name_index, version: secret.version };
  }
  return undefined;
}

/** What has no name that can be read may be what was asked for. */
const missing = (state: VaultState) =>
  [...secretsOf(state).values()].some(({ name }) => name === null)
    ? illegalState("this user's secrets cannot be read")
    : notFound('secret');
