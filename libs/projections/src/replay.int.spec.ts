import { describe, expect, it } from '@jest/globals';
import { appendSample, foldSample, InMemoryEventStore, readSample, SampleProjection } from '#testing';
import { replay } from './replay.js';

describe('replay', () => {
  it('given some streams, then the tables are their fold in log order and hold nothing of the others', async () => {
    const store = new InMemoryEventStore();
    for (let index = 0; index < 30; index += 1) await appendSample(store, `account-${index % 3}`, index);
    const streams = ['account-2', 'account-0', 'account-missing'];
    const stored = (await Promise.all(streams.map((stream) => store.read(stream)))).flat();
    const expected = foldSample(stored.sort((one, other) => Number(one.position - other.position)));
    expect(expected.accounts.map(({ id }) => id)).toEqual(['0', '2']);
    expect(await replay(store, new SampleProjection(), streams, readSample)).toEqual(expected);
    await store.close();
  });
});
