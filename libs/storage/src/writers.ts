import type { LogWriter, Snapshot } from '#event-store';
import type { MessageWriter } from '#message-bus';
import type { KeyWriter } from '#privacy';
import type { QueryWriter } from '#projections';
import type { Positions } from '#worker/event-store';
import type { Storage } from './storage.js';

/** What the engines write through: each sees its own files alone. */
export const logWriter = (storage: Storage, positions?: Positions): LogWriter => ({
  head: storage.head,
  step: positions?.divisor ?? 1,
  append: (request, { bytes, claimed }) => storage.ask('append', { request, claimed }, bytes),
  ready: () => storage.ready(),
  fail: (cause) => storage.fail(cause),
});

export const keyWriter = (storage: Storage): KeyWriter => ({
  insert: (id, key) => storage.tell('insert-key', { id, key }),
  destroy: (ids, at) => storage.ask('destroy-keys', { ids, at }),
  insertSecret: (name, wrapped) => storage.ask('insert-secret', { name, wrapped }),
  destroySecret: (name) => storage.ask('destroy-secret', { name }),
  identifiers: (write) => storage.ask('identifiers', { write }),
  ready: () => storage.ready(),
});

export const snapshotWriter =
  (storage: Storage) =>
  (snapshot: Snapshot): Promise<void> =>
    storage.ask('put-snapshot', { snapshot }, snapshot.sealed.length);

export const messageWriter = (storage: Storage): MessageWriter => ({
  publish: (topic, at, rows) => storage.ask('publish', { topic, at, rows }),
  saveOffset: (group, topic, offset) => storage.ask('save-offset', { group, topic, offset }),
  ready: () => storage.ready(),
  onGrowth: (listener) =>
    storage.onRound(({ heads }) => {
      for (const [topic, head] of heads) listener(topic, head);
    }),
});

export const queryWriter = (storage: Storage): QueryWriter => ({
  run: (part, queries) => storage.ask('queries', { part, queries }),
});
