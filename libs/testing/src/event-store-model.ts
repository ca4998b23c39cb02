import { expect } from '@jest/globals';
import fc from 'fast-check';
import { type ExpectedRevision, RevisionConflict } from '#event-store';
import { type NewEvent, streamName } from '#kernel';
import { type EventStoreBench, freshCategory, idsOf, newEvent } from './event-store-bench.js';

const STREAMS = 3;

/** `behind`: how far the expected revision lies behind the true one; `again`: which earlier append is sent again. */
type Step = { stream: number; behind: number; count: number; again: number | null };

const step: fc.Arbitrary<Step> = fc.record({
  stream: fc.nat(STREAMS - 1),
  behind: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: -2, max: 4 })),
  count: fc.integer({ min: 1, max: 4 }),
  again: fc.option(fc.nat(20), { freq: 3 }),
});

interface Append {
  stream: string;
  expected: number;
  events: NewEvent[];
}

const revision = (value: number): ExpectedRevision => (value < 0 ? 'no_stream' : value);

/** The log as plain lists: the ids of each stream and of the whole. */
class Model {
  readonly streams = new Map<string, string[]>();
  readonly log: string[] = [];

  append({ stream, expected, events }: Append): { revision: number } | { conflict: ExpectedRevision } {
    const ids = this.streams.get(stream) ?? [];
    const wanted = idsOf(events);
    const standing = ids.slice(expected + 1, expected + 1 + wanted.length);
    if (standing.join() === wanted.join()) return { revision: expected + wanted.length };
    if (expected !== ids.length - 1) return { conflict: revision(ids.length - 1) };
    this.streams.set(stream, [...ids, ...wanted]);
    this.log.push(...wanted);
    return { revision: expected + wanted.length };
  }
}

/** Runs random appends on the store and on the model, and compares every outcome and what is stored at the end. */
export async function checkRandomAppends(bench: EventStoreBench): Promise<void> {
  const steps = fc.array(step, { minLength: 1, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(3), async (history, from) => checkHistory(bench, history, from)),
    { numRuns: 60 },
  );
}

async function checkHistory(bench: EventStoreBench, history: Step[], from: number): Promise<void> {
  const category = freshCategory();
  const after = await bench.store.head();
  const [model, appends] = [new Model(), [] as Append[]];
  for (const next of history) {
    const append = toAppend(next, category, { model, appends });
    appends.push(append);
    expect(await outcomeOf(bench, append)).toEqual(model.append(append));
  }
  for (const [stream, ids] of model.streams) {
    const stored = await bench.store.read(stream, { from });
    expect(idsOf(stored)).toEqual(ids.slice(from));
    expect(stored.map((event) => event.revision)).toEqual(ids.map((_, index) => index).slice(from));
  }
  const collector = bench.collector();
  const subscription = bench.store.subscribe({ after, categories: [category] }, collector.onBatch);
  await collector.when(() => collector.events.length >= model.log.length);
  await subscription.close();
  expect(idsOf(collector.events)).toEqual(model.log);
}

function toAppend(next: Step, category: string, past: { model: Model; appends: Append[] }): Append {
  const earlier = next.again === null ? undefined : past.appends[next.again];
  if (earlier) return earlier;
  const stream = streamName(category, String(next.stream));
  const last = (past.model.streams.get(stream)?.length ?? 0) - 1;
  const events = Array.from({ length: next.count }, () => newEvent());
  return { stream, expected: Math.max(-1, last - next.behind), events };
}

async function outcomeOf(bench: EventStoreBench, { stream, expected, events }: Append) {
  try {
    const result = await bench.store.append(stream, revision(expected), events);
    return { revision: result.revision };
  } catch (error) {
    if (error instanceof RevisionConflict) return { conflict: error.actual };
    throw error;
  }
}
