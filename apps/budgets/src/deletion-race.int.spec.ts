import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EventStore } from '#event-store';
import { streamName } from '#kernel';
import { EVENT_STORE, ReadModels } from '#platform';
import { addUser, BudgetsApp, type Method, world } from '../../../test/services/budgets-app.js';

const ROUNDS = 500;
const AT_ONCE = 10;
const seed = Number(process.env.TENANTRY_TEST_SEED ?? Math.floor(Math.random() * 1_000_000_000));

/** Seeded pseudo-random numbers in [0, 1): mulberry32. */
function seededRandom(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

let service: BudgetsApp;
const call = (method: Method, path: string, payload?: object) => service.call(method, path, payload);

beforeAll(async () => {
  service = await BudgetsApp.start();
});

afterAll(() => service?.close());

describe('commands at the moment of the deletion', () => {
  it(`when ${ROUNDS} users are deleted while they spend and hold, then no budget stays open (seed ${seed})`, async () => {
    const random = seededRandom(seed);
    const outcomes = new Map<string, number>();
    const count = (outcome: string) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    const users: string[] = [];

    const round = async () => {
      // Half of them have a budget from the start that nobody has opened yet.
      const fromStart = random() < 0.5;
      const openingBudget = fromStart ? ({ limit: 10_000_000, period: 'none' } as const) : null;
      const id = addUser({ openingBudget });
      users.push(id);
      if (!fromStart) await call('PUT', `${id}/budget`, { limit_usd: '10', period: 'none' });
      const command = async (path: string, payload: object, delayMs: number) => {
        await sleep(delayMs);
        count(`${path} ${(await call(path === 'budget' ? 'PUT' : 'POST', `${id}/${path}`, payload)).status}`);
      };
      const soon = () => random() * 25;
      await Promise.all([
        command('budget/spend', { amount_usd: '1' }, soon()),
        command('budget/holds', { amount_usd: '1' }, soon()),
        command('budget/credit', { amount_usd: '1' }, soon()),
        command('budget', { limit_usd: '20', period: 'none' }, soon()),
        sleep(soon()).then(() => service.deleteUser(id)),
      ]);
    };
    for (let done = 0; done < ROUNDS; done += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, round));
    }

    await service.app.get(ReadModels).catchUp(10_000);
    const log = service.app.get<EventStore>(EVENT_STORE);
    for (const id of users) {
      const types = (await log.read(streamName('budget', id))).map(({ type }) => type);
      expect(types.indexOf('budget.closed.v1')).toBe(types.length - 1);
      expect((await call('GET', `${id}/budget`)).status).toBe(404);
      world.users.delete(id);
    }
    // Else they never met.
    for (const path of ['budget/spend', 'budget/holds', 'budget/credit']) {
      expect(outcomes.get(`${path} 201`)).toBeGreaterThan(0);
      expect(outcomes.get(`${path} 404`)).toBeGreaterThan(0);
    }
    expect([...outcomes.keys()].filter((outcome) => !/ (200|201|404)$/.test(outcome))).toEqual([]);
  });
});
