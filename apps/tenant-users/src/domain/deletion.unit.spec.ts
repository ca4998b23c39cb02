import { describe, it } from '@jest/globals';
import { given } from '#testing';
import { type DeletionEvent, deletion } from './deletion.js';

const scope = { platform_id: 'platform-1', tenant_id: 'tenant-1', user_id: 'user-1' };
const facts = { subject_key: '7', user_revision: 3 };
const at = '2026-01-31T12:00:00.000Z';
const later = '2026-01-31T12:00:01.000Z';

const requested: DeletionEvent = {
  type: 'deletion.requested.v1',
  data: { ...scope, ...facts, participants: ['keys', 'vault'], requested_at: at },
};
const confirmed = (participant: string, removed: { [kind: string]: number }): DeletionEvent => ({
  type: 'deletion.participant-confirmed.v1',
  data: { ...scope, participant, removed, confirmed_at: at },
});
const destroyed: DeletionEvent = {
  type: 'deletion.personal-data-key-destroyed.v1',
  data: { ...scope, destroyed_at: at },
};
const completed: DeletionEvent = {
  type: 'deletion.completed.v1',
  data: { ...scope, completed_at: later },
};
const request = { kind: 'request', ...scope, ...facts, participants: ['keys', 'vault'], at } as const;
const confirm = (participant: string, removed = {}) =>
  ({ kind: 'confirm', participant, removed, at }) as const;
const complete = { kind: 'complete', keyDestroyedAt: at, at: later } as const;
const allConfirmed = [requested, confirmed('keys', { keys: 1 }), confirmed('vault', {})];

describe('a deletion', () => {
  it('given nothing, is requested of every participant', () => {
    given(deletion, []).when(request).then([requested]);
  });

  it('given a request, changes nothing when it is requested again', () => {
    given(deletion, [requested]).when(request).then([]);
  });

  it('given a request, records what a participant let go of', () => {
    given(deletion, [requested])
      .when(confirm('keys', { keys: 3 }))
      .then([confirmed('keys', { keys: 3 })]);
  });

  it('given a confirmation, changes nothing when it comes twice', () => {
    given(deletion, [requested, confirmed('keys', { keys: 3 })])
      .when(confirm('keys', { keys: 0 }))
      .then([]);
  });

  it('given a participant that was not asked, changes nothing', () => {
    given(deletion, [requested]).when(confirm('strangers')).then([]);
  });

  it('given no request, refuses confirmations', () => {
    given(deletion, []).when(confirm('keys')).thenRefused('illegal_state');
  });

  it('given an awaited participant, cannot complete', () => {
    given(deletion, [requested, confirmed('keys', {})])
      .when(complete)
      .thenRefused('illegal_state');
  });

  it('given all confirmations, completes after the key is destroyed', () => {
    given(deletion, allConfirmed).when(complete).then([destroyed, completed]);
  });

  it('given a completed deletion, changes nothing any more', () => {
    const past = [...allConfirmed, destroyed, completed];
    given(deletion, past).when(complete).then([]);
    given(deletion, past).when(confirm('keys', {})).then([]);
    given(deletion, past).when(request).then([]);
  });
});
