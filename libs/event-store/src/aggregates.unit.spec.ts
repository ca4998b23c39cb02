import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type Decider, type DomainEvent, illegalState, notFound, runRepeatably, systemClock } from '#kernel';
import { InMemoryEventStore } from '#testing';
import type { EventCodec } from './aggregates/aggregate.js';
import { Aggregates } from './aggregates.js';

type Counted = DomainEvent<'counter.counted.v1', { by: number }>;
interface Command {
  by: number;
  limit: number;
}

const counter: Decider<number, Command, Counted> = {
  category: 'counter',
  initialState: 0,
  decide({ by, limit }, total) {
    if (limit < 0) throw notFound('counter');
    if (total + by > limit) throw illegalState('the limit is reached');
    return by === 0 ? [] : [{ type: 'counter.counted.v1', data: { by } }];
  },
  evolve: (total, event) => total + event.data.by,
};

const plain: EventCodec = {
  encode: async (event) => event as Awaited<ReturnType<EventCodec['encode']>>,
  decode: async (event) => event,
};
const context = {
  platformId: null,
  tenantId: null,
  actor: { type: 'system' as const, id: 'test' },
  correlationId: 'correlation',
  causationId: 'cause',
};

let store: InMemoryEventStore;
let one: Aggregates;
let other: Aggregates;
beforeEach(() => {
  store = new InMemoryEventStore();
  one = new Aggregates(store, plain, systemClock);
  other = new Aggregates(store, plain, systemClock);
});

const add = (aggregates: Aggregates, by: number, limit = 100, options = {}) =>
  aggregates.execute(counter, 'a', { by, limit }, { context, ...options });

describe('commands on an aggregate', () => {
  it('given none, when one succeeds, then its state and place are answered and it is in the log', async () => {
    const { state, revision, position } = await add(one, 5, 100, { expectNew: true });
    expect([state, revision, position]).toEqual([5, 0, 1n]);
    expect(await store.read('counter-a')).toMatchObject([{ data: { by: 5 }, metadata: context }]);
  });

  it('given a stream that was expected to be new, then it is read and decided on again', async () => {
    await add(one, 5);
    await expect(add(other, 96, 100, { expectNew: true })).rejects.toMatchObject({ code: 'illegal_state' });
    expect((await add(other, 95, 100, { expectNew: true })).state).toBe(100);
  });

  it('given another writer, then a stale state is caught up and the command decided on again', async () => {
    await add(one, 1);
    await add(other, 90);
    await expect(add(one, 50)).rejects.toMatchObject({ code: 'illegal_state' });
    expect((await add(one, 9)).state).toBe(100);
  });

  it('given another writer, then nothing is refused on a stale state', async () => {
    await add(one, 100);
    await add(other, -60);
    expect((await add(one, 50)).state).toBe(90);
  });

  it('given another writer, then a required revision is compared with the true one', async () => {
    await add(one, 1);
    await add(other, 1);
    expect(await add(one, 1, 100, { ifRevision: 1 })).toMatchObject({ state: 3, revision: 2 });
    await expect(add(other, 1, 100, { ifRevision: 1 })).rejects.toMatchObject({ code: 'revision_mismatch' });
  });

  it('given another writer, then that nothing is to be done is decided on the true state', async () => {
    await add(one, 1);
    await add(other, 5);
    expect(await add(one, 0)).toMatchObject({ state: 6, revision: 1 });
  });

  it('given a store that nobody else writes to, then a refusal reads nothing', async () => {
    const reads = jest.spyOn(store, 'read');
    const alone = new Aggregates(Object.assign(store, { exclusive: true }), plain, systemClock);
    await add(alone, 1, 100, { expectNew: true });
    await expect(add(alone, 100)).rejects.toMatchObject({ code: 'illegal_state' });
    await add(alone, 0);
    expect(reads).not.toHaveBeenCalled();
  });

  it('given a store that asks for the stream before it appends, then that does not wait for the command', async () => {
    const append = store.append.bind(store);
    store.append = async (...request) => {
      await one.load(counter, 'a');
      return append(...request);
    };
    expect((await add(one, 5, 100, { expectNew: true })).state).toBe(5);
  });

  it('given an append that is stored and not yet answered, then a refresh tells of it', async () => {
    const alone = new Aggregates(Object.assign(store, { exclusive: true }), plain, systemClock);
    await add(alone, 1);
    const append = store.append.bind(store);
    const states: number[] = [];
    store.append = async (...request) => {
      const appended = await append(...request);
      for (const state of [alone.load(counter, 'a'), alone.refresh(counter, 'a')]) {
        states.push((await state).state);
      }
      return appended;
    };
    await add(alone, 5);
    expect(states).toEqual([1, 6]);
  });

  it('given 200 at once, then no more succeed than the limit lets', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 200 }, () => add(one, 1)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(100);
    expect((await one.load(counter, 'a')).state).toBe(100);
    expect(await store.read('counter-a')).toHaveLength(100);
  });

  it('given nothing to change, then nothing is appended and the last place is answered', async () => {
    await add(one, 5);
    expect(await add(one, 0)).toMatchObject({ state: 5, revision: 0, position: 1n, events: [] });
    expect(await store.read('counter-a')).toHaveLength(1);
  });
});

describe('a required revision', () => {
  it('given the current one, then the command runs; given another, then revision_mismatch', async () => {
    await add(one, 1);
    expect((await add(one, 1, 100, { ifRevision: 0 })).revision).toBe(1);
    await expect(add(one, 1, 100, { ifRevision: 0 })).rejects.toMatchObject({ code: 'revision_mismatch' });
  });

  it('given what the command may not see, then it is not found, whatever the revision', async () => {
    await add(one, 1);
    await expect(add(one, 1, -1, { ifRevision: 7 })).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('a preview', () => {
  const preview = (by: number, limit = 100, options = {}) =>
    one.preview(counter, 'a', { by, limit }, options);

  it('given another writer, then it tells the state after the command, and nothing is appended', async () => {
    await add(one, 1);
    await add(other, 5);
    expect(await preview(3)).toBe(9);
    expect((await one.load(counter, 'a')).state).toBe(6);
    expect(await store.read('counter-a')).toHaveLength(2);
  });

  it('given what the command would be refused for, then the preview is too', async () => {
    await add(one, 1);
    await expect(preview(100)).rejects.toMatchObject({ code: 'illegal_state' });
    await expect(preview(1, 100, { ifRevision: 7 })).rejects.toMatchObject({ code: 'revision_mismatch' });
    await expect(preview(1, -1, { ifRevision: 7 })).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('a repeatable request', () => {
  const request = (resumed: boolean) => ({
    id: 'request-1',
    startedAt: 0,
    positionAtBegin: 0n,
    resumed,
    draw: (length: number) => new Uint8Array(length),
  });
  const addAs = (aggregates: Aggregates, { by = 5, resumed = true } = {}) =>
    runRepeatably(request(resumed), () => add(aggregates, by, 10));

  it('given that it did its work before, when it resumes, then it gets the aggregate as of then', async () => {
    await addAs(one, { resumed: false });
    await add(one, 4);
    // 5 more would be refused by now.
    const first = { state: 5, revision: 0, events: [{ type: 'counter.counted.v1', data: { by: 5 } }] };
    expect(await addAs(one)).toMatchObject(first);
    expect(await addAs(other)).toMatchObject(first);
    expect(await store.read('counter-a')).toHaveLength(2);
  });

  it('given that it did nothing before, when it resumes, then it is decided', async () => {
    await add(one, 4);
    expect(await addAs(one)).toMatchObject({ state: 9, revision: 1 });
  });

  it('given that another process does the same request at once, then one of them appends', async () => {
    await add(one, 1);
    await add(other, 0);
    const answers = await Promise.all([addAs(one, { resumed: false }), addAs(other, { resumed: false })]);
    expect(answers).toMatchObject([
      { state: 6, revision: 1 },
      { state: 6, revision: 1 },
    ]);
    expect(await store.read('counter-a')).toHaveLength(2);
  });
});
