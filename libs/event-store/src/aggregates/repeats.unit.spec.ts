import { beforeEach, describe, expect, it } from '@jest/globals';
import { runRepeatably, systemClock } from '#kernel';
import { CountingEventStore, plainCodec, SampleSnapshots, tally, testContext } from '#testing';
import { Aggregates } from '../aggregates.js';

let store: CountingEventStore;
let snapshots: SampleSnapshots;
beforeEach(() => {
  store = new CountingEventStore();
  snapshots = new SampleSnapshots();
});

const replica = () => new Aggregates(store, plainCodec, systemClock, { snapshots });
const exclusive = () => Object.assign(store, { exclusive: true });

/** Commands of other requests. */
async function others(by: Aggregates, commands: number, times = 1): Promise<void> {
  for (let number = 0; number < commands; number++) {
    const context = { ...testContext, causationId: `other-${number}` };
    await by.execute(tally, '1', { name: 'a', by: 1, times }, { context });
  }
}

interface Try {
  resumed?: boolean;
  /** How many commands it has. */
  changes?: number;
  /** What the log held by then; all of it where it began just now. */
  begin?: bigint;
}

/** One run of the request; answers what came of its last command. */
async function request(by: Aggregates, { resumed = false, changes = 1, begin }: Try = {}) {
  const repeatable = {
    id: 'own',
    startedAt: 0,
    positionAtBegin: begin ?? (await store.head()),
    resumed,
    draw: (length: number) => new Uint8Array(length),
  };
  return runRepeatably(repeatable, async () => {
    for (let change = 1; ; change++) {
      const made = await by.execute(tally, '1', { name: 'b', by: 10 }, { context: testContext });
      if (change >= changes) return made;
    }
  });
}

const ownEvents = async () => {
  let own = 0;
  for (let from = 0, page = await store.read('tally-1'); page.length > 0; ) {
    own += page.filter(({ metadata }) => metadata.causationId === 'own').length;
    from += page.length;
    page = await store.read('tally-1', { from });
  }
  return own;
};

describe('a request that is repeated through another process', () => {
  it('given that the one that began it knows the events of the other by then, then it does not do it again', async () => {
    const [one, other] = [replica(), replica()];
    await others(one, 1);
    const begin = await store.head();
    await request(other, { resumed: true, begin });
    await one.preview(tally, '1', { name: 'a', by: 1 });
    const made = await request(one, { begin });
    expect(made).toMatchObject({ revision: 1, state: { total: 11 }, events: [{ data: { by: 10 } }] });
    expect(await ownEvents()).toBe(1);
  });

  it('given that others went on since, then the answer is as of then', async () => {
    const [one, other] = [replica(), replica()];
    await others(one, 3);
    const begin = await store.head();
    await request(other, { resumed: true, begin });
    await others(one, 5);
    const made = await request(one, { begin });
    expect(made).toMatchObject({ revision: 3, state: { total: 13 } });
    expect(await ownEvents()).toBe(1);
  });

  it('given that it lost the race for the stream, then it finds what the winner appended', async () => {
    const [one, other] = [replica(), replica()];
    await others(one, 1);
    await other.load(tally, '1');
    const both = await Promise.all([request(one), request(other, { resumed: true })]);
    expect(both).toMatchObject([{ revision: 1 }, { revision: 1 }]);
    expect(await ownEvents()).toBe(1);
  });
});

describe('a request that changes one aggregate more than once', () => {
  it('given its first time, then each change is made', async () => {
    const one = replica();
    await others(one, 1);
    expect(await request(one, { changes: 3 })).toMatchObject({ state: { total: 31 } });
    expect(await ownEvents()).toBe(3);
  });

  it('given that it was cut short after the first, when it resumes, then the others are made', async () => {
    const [one, other] = [replica(), replica()];
    await request(one, { changes: 1 });
    await others(one, 1);
    expect(await request(other, { resumed: true, changes: 2 })).toMatchObject({ state: { total: 21 } });
    expect(await ownEvents()).toBe(2);
  });
});

describe('a request that is repeated long after', () => {
  it('given few commands since, then it is known without reading, but for its own events', async () => {
    exclusive();
    const one = replica();
    await request(one);
    await others(one, 200);
    store.eventsRead = 0;
    expect(await request(one, { resumed: true, begin: 0n })).toMatchObject({
      revision: 0,
      state: { total: 10 },
    });
    // Once for the state as of then, once for the events.
    expect(store.eventsRead).toBe(2);
  });

  it.each([
    ['here', () => undefined],
    ['after a restart', () => replica()],
  ])('given many commands since, then it is found all the same, %s', async (_, restarted) => {
    const one = replica();
    await others(one, 40, 50);
    const begin = await store.head();
    await request(one);
    await others(one, 300, 5);
    await new Promise(setImmediate);
    expect(await request(restarted() ?? one, { resumed: true, begin })).toMatchObject({ revision: 2_000 });
    expect(await ownEvents()).toBe(1);
  });

  it('given that it never came here and began just now, then little is read to see that', async () => {
    const one = replica();
    await others(one, 300, 5);
    store.eventsRead = 0;
    expect(await request(one, { resumed: true })).toMatchObject({ state: { total: 1_510 } });
    expect(store.eventsRead).toBeLessThan(10);
  });

  it('given what the log held at its begin, then no more than a page before that is read', async () => {
    const one = replica();
    await others(one, 300, 5);
    const begin = await store.head();
    await others(one, 300);
    store.eventsRead = 0;
    expect(await request(one, { resumed: true, begin })).toMatchObject({ state: { total: 1_810 } });
    expect(store.eventsRead).toBeLessThanOrEqual(512);
  });

  it('given its first time on a busy stream, then nothing is read', async () => {
    const one = replica();
    await others(one, 400);
    store.eventsRead = 0;
    await request(one);
    expect(store.eventsRead).toBe(0);
  });
});
