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

const NO_VERSIONS: OpenVault['versions'] = new Map();

/** The secrets of one user: put, replaced and deleted at will, and none ever after the vault is closed. */
export const vault: Decider<VaultState, VaultCommand, VaultEvent> = {
  category: 'vault',
  initialState: { lifecycle: 'absent' },
  snapshot: snapshotFormat({
    version: 1,
    maps: ['versions'],
    subjectKey: (state) => (state.lifecycle === 'open' ? state.subject_key : null),
  }),

  decide(command, state) {
    if (state.lifecycle !== 'absent' && state.tenant_id !== command.tenant_id) throw notFound('user');
    if (command.kind === 'close') return state.lifecycle === 'closed' ? [] : [close(command, state)];
    // The user is gone, and so is whoever asks in their name.
    if (state.lifecycle === 'closed') throw notFound('user');
    if (command.kind === 'put') return [put(command, state)];
    return [command.kind === 'read' ? read(command.name_index, state) : remove(command.name_index, state)];
  },

  evolve(state, event) {
    switch (event.type) {
      case 'vault.secret-put.v1': {
        const { platform_id, tenant_id, subject_key, name_index, version } = event.data;
        const versions = new Map(versionsOf(state)).set(name_index, version);
        return { lifecycle: 'open', platform_id, tenant_id, subject_key, versions };
      }
      case 'vault.secret-read.v1':
        return state;
      case 'vault.secret-deleted.v1': {
        if (state.lifecycle !== 'open') throw new Error(`${event.type} on a vault that is not open`);
        const versions = new Map(state.versions);
        versions.delete(event.data.name_index);
        return { ...state, versions };
      }
      case 'vault.closed.v1':
        return { lifecycle: 'closed', ...event.data };
    }
  },
};

function put({ kind: _, ...data }: PutSecret, state: VaultState): SecretPut {
  const versions = versionsOf(state);
  const version = (versions.get(data.name_index) ?? 0) + 1;
  if (version === 1 && versions.size >= MAX_SECRETS) {
    throw illegalState(`a user can have at most ${MAX_SECRETS} secrets`);
  }
  const subject_key = state.lifecycle === 'open' ? state.subject_key : data.subject_key;
  return { type: 'vault.secret-put.v1', data: { ...data, version, subject_key } };
}

function read(name_index: string, state: VaultState): SecretRead {
  const version = versionsOf(state).get(name_index);
  if (state.lifecycle !== 'open' || version === undefined) throw notFound('secret');
  const { platform_id, tenant_id } = state;
  return { type: 'vault.secret-read.v1', data: { platform_id, tenant_id, name_index, version } };
}

function remove(name_index: string, state: VaultState): SecretDeleted {
  if (state.lifecycle !== 'open' || !state.versions.has(name_index)) throw notFound('secret');
  const { platform_id, tenant_id } = state;
  return { type: 'vault.secret-deleted.v1', data: { platform_id, tenant_id, name_index } };
}

/** Closes a vault that never was, too: a secret that comes later must find it closed. */
function close(command: Extract<VaultCommand, { kind: 'close' }>, state: VaultState): VaultClosed {
  const { platform_id, tenant_id } = command;
  const subject_key = state.lifecycle === 'open' ? state.subject_key : null;
  const removed = { secrets: versionsOf(state).size };
  return { type: 'vault.closed.v1', data: { platform_id, tenant_id, subject_key, removed } };
}

const versionsOf = (state: VaultState): OpenVault['versions'] =>
  state.lifecycle === 'open' ? state.versions : NO_VERSIONS;
