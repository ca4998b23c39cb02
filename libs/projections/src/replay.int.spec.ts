import { describe, expect, it } from '@jest/globals';
import {
  appendSample,
  foldSample,
  InMemoryEventStore,
  readAll,
  readSample,
  SampleProjection,
  sampleEvent,
} from '#testing';
import { replay } from './replay.js';

describe('replay', () => {
  it('given some streams, then the tables are their fold in log order and hold nothing of the others', async () => {
    const store = new InMemoryEventStore();
    for (let index = 0; index < 30; index += 1) await appendSample(store, `account-${index % 3}`, index);
    // Longer than a page, and in between the others.
    for (let index = 0; index < 3; index += 1) {
      const events = Array.from({ length: 250 }, (_, amount) => sampleEvent(amount));
      await store.append('account-2', 9 + index * 250, events);
      await appendSample(store, 'account-0', index);
    }
    const streams = ['account-2', 'account-0', 'account-missing'];
    const stored = (await Promise.all(streams.map((stream) => readAll(store, stream)))).flat();
    const expected = foldSample(stored.sort((one, other) => Number(one.position - other.position)));
    expect(expected.accounts.map(({ id }) => id)).toEqual(['0', '2']);
    expect(await replay(store, new SampleProjection(), streams, readSample)).toEqual(expected);
    await store.close();
  });
});
