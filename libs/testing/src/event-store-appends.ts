import { expect, it } from '@jest/globals';
import { conflictOf, type EventStoreBench, idsOf, newEvent, newEvents } from './event-store-bench.js';

export function describeAppend(bench: () => EventStoreBench): void {
  it('given events, when they are read, then they come back as they were appended, in order', async () => {
    const [stream, events] = [bench().stream(), newEvents(3)];
    const result = await bench().store.append(stream, 'no_stream', events);
    const stored = await bench().store.read(stream);
    expect(stored.map(({ position: _, ...event }) => event)).toEqual(
      events.map((event, revision) => ({ ...event, stream, revision })),
    );
    expect(result).toEqual({ revision: 2, position: stored[2]?.position, events: stored });
    expect(typeof result.position).toBe('bigint');
  });

  it('given one append after the other, then revisions go on and positions grow', async () => {
    const stream = bench().stream();
    const first = await bench().store.append(stream, 'no_stream', newEvents(2));
    await bench().appendNew();
    const second = await bench().store.append(stream, 1, newEvents(2));
    expect(second.revision).toBe(3);
    const positions = (await bench().store.read(stream)).map(({ position }) => position);
    expect(positions).toEqual([...positions].sort((a, b) => Number(a - b)));
    expect(new Set(positions).size).toBe(4);
    expect(second.position).toBeGreaterThan(first.position);
  });

  it('given appends of three events, when they are read meanwhile, then all three are there or none', async () => {
    const streams = Array.from({ length: 100 }, () => bench().stream());
    const appends = Promise.all(
      streams.map((stream) => bench().store.append(stream, 'no_stream', newEvents(3))),
    );
    const lengths = new Set<number>();
    for (const stream of streams) lengths.add((await bench().store.read(stream)).length);
    await appends;
    for (const stream of streams) lengths.add((await bench().store.read(stream)).length);
    lengths.delete(0);
    expect([...lengths]).toEqual([3]);
  });

  it('given an event that is changed after its append, then the log holds what was appended', async () => {
    const [stream, event] = [bench().stream(), newEvent({ kept: true })];
    const result = await bench().store.append(stream, 'no_stream', [event]);
    event.data.kept = false;
    expect(result.events[0]?.data).toEqual({ kept: true });
    expect((await bench().store.read(stream))[0]?.data).toEqual({ kept: true });
  });
}

export function describeExpectedRevision(bench: () => EventStoreBench): void {
  it('given another revision than expected, then it is a conflict that tells the actual one', async () => {
    const [stream, missing] = [bench().stream(), bench().stream()];
    const events = newEvents(2);
    await bench().store.append(stream, 'no_stream', events);
    const append = (to: string, expected: number | 'no_stream') =>
      conflictOf(bench().store.append(to, expected, newEvents(1)));
    expect(await append(stream, 'no_stream')).toBe(1);
    expect(await append(stream, 0)).toBe(1);
    expect(await append(stream, 2)).toBe(1);
    expect(await append(missing, 0)).toBe('no_stream');
    expect(idsOf(await bench().store.read(stream))).toEqual(idsOf(events));
    expect(await bench().store.read(missing)).toEqual([]);
  });

  it('given 200 appends at once to one stream, then each revision has exactly one winner', async () => {
    const stream = bench().stream();
    for (let round = 0; round < 5; round++) {
      const expected = round === 0 ? 'no_stream' : round - 1;
      const outcomes = await Promise.all(
        Array.from({ length: 200 }, () => conflictOf(bench().store.append(stream, expected, newEvents(1)))),
      );
      expect(outcomes.filter((actual) => actual === undefined)).toHaveLength(1);
      expect(outcomes.filter((actual) => actual === round)).toHaveLength(199);
      expect(await bench().store.read(stream)).toHaveLength(round + 1);
    }
  });

  it('given conflicts among appends at once, then the others are stored all the same', async () => {
    const taken = bench().stream();
    await bench().store.append(taken, 'no_stream', newEvents(1));
    const streams = Array.from({ length: 100 }, () => bench().stream());
    const conflicts = await Promise.all(
      streams.flatMap((stream) => [
        conflictOf(bench().store.append(stream, 'no_stream', newEvents(2))),
        conflictOf(bench().store.append(taken, 'no_stream', newEvents(2))),
      ]),
    );
    expect(conflicts).toEqual(streams.flatMap(() => [undefined, 0]));
    for (const stream of streams) expect(await bench().store.read(stream)).toHaveLength(2);
    expect(await bench().store.read(taken)).toHaveLength(1);
  });
}

export function describeRetry(bench: () => EventStoreBench): void {
  it('given later events in the stream, then it answers as the first did and changes nothing', async () => {
    const [stream, first, second] = [bench().stream(), newEvents(2), newEvents(1)];
    const results = [
      await bench().store.append(stream, 'no_stream', first),
      await bench().store.append(stream, 1, second),
    ];
    await bench().store.append(stream, 2, newEvents(1));
    const before = await bench().store.read(stream);
    expect(await bench().store.append(stream, 'no_stream', first)).toEqual(results[0]);
    expect(await bench().store.append(stream, 1, second)).toEqual(results[1]);
    expect(await bench().store.read(stream)).toEqual(before);
  });

  it('given the same append twice at once, then both succeed and it is stored once', async () => {
    const [stream, events] = [bench().stream(), newEvents(3)];
    const append = () => bench().store.append(stream, 'no_stream', events);
    const [first, second] = await Promise.all([append(), append()]);
    expect(second).toEqual(first);
    expect(idsOf(await bench().store.read(stream))).toEqual(idsOf(events));
  });

  it('given other ids, more ids or another place, then it is a conflict', async () => {
    const [stream, events] = [bench().stream(), newEvents(2)];
    await bench().store.append(stream, 'no_stream', events);
    const others = [
      bench().store.append(stream, 'no_stream', newEvents(2)),
      bench().store.append(stream, 'no_stream', [...events, newEvent()]),
      bench().store.append(stream, 'no_stream', [...events].reverse()),
      bench().store.append(stream, 0, events),
    ];
    expect(await Promise.all(others.map(conflictOf))).toEqual([1, 1, 1, 1]);
    expect(idsOf(await bench().store.read(stream))).toEqual(idsOf(events));
  });
}
