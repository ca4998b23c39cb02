import { expect, it } from '@jest/globals';
import { isTenantryError, type JsonObject } from '#kernel';
import {
  conflictOf,
  type Declarable,
  type EventStoreBench,
  newEvent,
  newEvents,
  rejectionOf,
} from './event-store-bench.js';

export function describeContent(bench: () => EventStoreBench): void {
  const nested = (levels: number): JsonObject => (levels === 0 ? {} : { inner: nested(levels - 1) });
  const contents: [string, JsonObject][] = [
    ['unicode', { text: 'Zoë 漢字 😀 e\u0301 \u2028\u202e', clé: 'ключ' }],
    ['NUL and control characters', { text: 'a\u0000b\u0001\n\r\t\u007f', 'a\u0000b': 1 }],
    ['lone surrogates', { text: '\ud800 \udc00', '\udfff': '\ud83d' }],
    ['numbers', { numbers: [0, -1, 0.1, 1e308, 5e-324, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER] }],
    ['empty values', { null: null, text: '', list: [], object: {}, '': false }],
    [
      'names that objects have',
      JSON.parse('{"__proto__":{"a":1},"constructor":1,"toString":2}') as JsonObject,
    ],
    ['500 levels of nesting', nested(500)],
  ];
  it.each(contents)('given %s, then they come back exactly', async (_, data) => {
    const [stream, event] = [bench().stream(), newEvent(data)];
    const metadata = { ...event.metadata, correlationId: JSON.stringify(data) };
    await bench().store.append(stream, 'no_stream', [{ ...event, metadata }]);
    const [stored] = await bench().store.read(stream);
    expect(JSON.stringify(stored?.data)).toBe(JSON.stringify(data));
    expect(stored?.metadata).toEqual(metadata);
  });

  it.each([1, 2])('given more than 1 MiB in %d events, then it is refused as too large', async (count) => {
    const stream = bench().stream();
    const text = 'x'.repeat(Math.ceil(1_100_000 / count));
    const events = Array.from({ length: count }, () => newEvent({ text }));
    const error = await rejectionOf(bench().store.append(stream, 'no_stream', events));
    expect(isTenantryError(error) && [error.kind, error.code]).toEqual([
      'invalid_input',
      'payload_too_large',
    ]);
    expect(await bench().store.read(stream)).toEqual([]);
  });

  it('given just below 1 MiB, then it is stored', async () => {
    const [stream, data] = [bench().stream(), { text: 'é'.repeat(510_000) }];
    await bench().store.append(stream, 'no_stream', [newEvent(data)]);
    expect((await bench().store.read(stream))[0]?.data).toEqual(data);
  });
}

export function describeLog(bench: () => EventStoreBench, declarable: Declarable): void {
  declarable('an empty log', 'given nothing was appended, then the head is 0', async () => {
    expect(await bench().store.head()).toBe(0n);
  });

  it('given appends, then the head is the position of the last', async () => {
    for (let count = 1; count <= 3; count++) {
      const { position } = await bench().appendNew(count);
      expect(await bench().store.head()).toBe(position);
    }
  });

  declarable(
    'gap-free positions',
    'given 300 appends at once, then their positions have no gap',
    async () => {
      const before = await bench().store.head();
      const results = await Promise.all(
        Array.from({ length: 300 }, (_, index) => bench().appendNew((index % 3) + 1)),
      );
      const positions = results.flatMap(({ events }) => events.map(({ position }) => position));
      expect(positions.sort((a, b) => Number(a - b))).toEqual(
        Array.from({ length: 600 }, (_, index) => before + BigInt(index) + 1n),
      );
    },
  );

  it('given it is open, then it is ready; given it was closed, then it takes nothing and is not', async () => {
    await bench().store.ready();
    await bench().store.close();
    const refusals = [bench().store.ready(), bench().appendNew()].map(rejectionOf);
    for (const error of await Promise.all(refusals)) {
      expect(isTenantryError(error) && error.kind).toBe('unavailable');
    }
  });

  declarable(
    'reopening',
    'given it is closed amid appends, then what was acknowledged is there',
    async () => {
      const streams = Array.from({ length: 200 }, () => bench().stream());
      const events = newEvents(2);
      const appends = streams.map((stream) => bench().store.append(stream, 'no_stream', events));
      const settled = Promise.allSettled(appends);
      const head = (await appends[0])?.position;
      const store = await bench().harness.reopen();
      const outcomes = await settled;
      for (const [index, stream] of streams.entries()) {
        const outcome = outcomes[index];
        const stored = await store.read(stream);
        if (outcome?.status === 'fulfilled') expect(stored).toEqual(outcome.value.events);
        else expect([0, 2]).toContain(stored.length);
      }
      expect(await store.head()).toBeGreaterThanOrEqual(head ?? 0n);
      const first = streams[0] as string;
      expect(await conflictOf(store.append(first, 'no_stream', newEvents(1)))).toBe(1);
      expect(await conflictOf(store.append(first, 'no_stream', events))).toBeUndefined();
      expect((await store.append(first, 1, newEvents(1))).position).toBe(await store.head());
    },
  );
}
