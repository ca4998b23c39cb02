import { afterAll, afterEach, beforeAll, beforeEach, describe, it } from '@jest/globals';
import { describeAppend, describeExpectedRevision, describeRetry } from './event-store-appends.js';
import {
  type Declarable,
  EventStoreBench,
  type EventStoreDeviations,
  type EventStoreFactory,
} from './event-store-bench.js';
import { describeContent, describeLog } from './event-store-content.js';
import { checkRandomAppends } from './event-store-model.js';
import { describeReads } from './event-store-reads.js';
import {
  describeClosing,
  describeDelivery,
  describeFilters,
  describePace,
} from './event-store-subscriptions.js';

/** The suite that every event store passes. */
export function describeEventStore(
  name: string,
  factory: EventStoreFactory,
  deviations: EventStoreDeviations = {},
): void {
  const declarable: Declarable = (promise, title, check) => {
    const reason = deviations[promise];
    if (reason === undefined) it(title, check);
    else it.skip(`${title} (${name} does not promise ${promise}: ${reason})`, check);
  };
  describe(`the event store: ${name}`, () => {
    let current: EventStoreBench;
    const bench = (): EventStoreBench => current;
    // What is about streams alone, each test's own: one store does for all of them.
    describe('streams', () => {
      beforeAll(async () => {
        current = new EventStoreBench(await factory());
      });
      afterAll(() => current.dispose());
      describe('append and read', () => describeAppend(bench));
      describe('pages of a stream', () => describeReads(bench));
      describe('expected revision', () => describeExpectedRevision(bench));
      describe('a retried append', () => describeRetry(bench));
      describe('what can be stored', () => describeContent(bench));
    });
    describe('log', () => {
      beforeEach(async () => {
        current = new EventStoreBench(await factory());
      });
      afterEach(() => current.dispose());
      describe('the whole log', () => describeLog(bench, declarable));
      describe('subscriptions: delivery', () => describeDelivery(bench));
      describe('subscriptions: filters', () => describeFilters(bench, declarable));
      describe('subscriptions: pace', () => describePace(bench));
      describe('subscriptions: closing', () => describeClosing(bench, declarable));
      it('given random appends, retries and conflicts, then it does what a plain list does', () =>
        checkRandomAppends(bench()));
    });
  });
}
