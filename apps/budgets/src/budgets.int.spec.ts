import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { validateMessage } from '#contracts';
import { newId, notFound } from '#kernel';
import { ReadModels } from '#platform';
import { filesUnder } from '#testing';
import { addUser, BudgetsApp, clock, type Method, until, world } from '../../../test/services/budgets-app.js';

const { defaultUserId } = world;
let service: BudgetsApp;

beforeAll(async () => {
  service = await BudgetsApp.start();
});

afterAll(() => service?.close());

const call = (method: Method, path: string, payload?: object) => service.call(method, path, payload);
const deleteUser = (id: string) => service.deleteUser(id);

/** A user with a budget. */
async function userWith(limit: string, period = 'monthly'): Promise<string> {
  const id = addUser();
  expect((await call('PUT', `${id}/budget`, { limit_usd: limit, period })).status).toBe(200);
  return id;
}

describe('a budget over HTTP', () => {
  it('when set, then it answers the budget with its month', async () => {
    const answer = await call('PUT', 'default/budget', { limit_usd: '25.00', period: 'monthly' });
    expect(answer).toMatchObject({ status: 200, position: expect.stringMatching(/^\d+$/) });
    expect(answer.body).toEqual({
      user_id: defaultUserId,
      limit_usd: '25.00',
      period: 'monthly',
      spent_usd: '0.00',
      held_usd: '0.00',
      remaining_usd: '25.00',
      period_started_at: '2028-02-01T00:00:00.000Z',
      period_ends_at: '2028-03-01T00:00:00.000Z',
      status: 'active',
    });
    expect((await call('GET', `${defaultUserId}/budget`)).body).toEqual(answer.body);
  });

  it('without a period, then it has no end', async () => {
    const id = await userWith('1', 'none');
    const { body } = await call('GET', `${id}/budget`);
    expect(body).toMatchObject({ period_started_at: '2028-02-29T12:00:00.000Z', period_ends_at: null });
  });

  it('when spent from, then the transaction and the budget tell what is left', async () => {
    const id = await userWith('25.00');
    const { status, body } = await call('POST', `${id}/budget/spend`, {
      amount_usd: 1.25,
      description: 'Lunch',
    });
    expect({ status, body }).toEqual({
      status: 201,
      body: {
        id: expect.any(String),
        type: 'spend',
        amount_usd: '-1.25',
        balance_usd: '23.75',
        description: 'Lunch',
        at: '2028-02-29T12:00:00.000Z',
      },
    });
    const { body: left } = await call('GET', `${id}/budget`);
    expect(left).toMatchObject({ spent_usd: '1.25', remaining_usd: '23.75' });
    const { body: ledger } = await call('GET', `${id}/budget/transactions`);
    expect(ledger).toMatchObject({ data: [body, { type: 'opening', amount_usd: '25.00' }], total: 2 });
  });

  it('when nothing remains, then it is exhausted and a spend is over budget', async () => {
    const id = await userWith('0.000001');
    expect((await call('POST', `${id}/budget/spend`, { amount_usd: '0.000001' })).status).toBe(201);
    expect((await call('GET', `${id}/budget`)).body).toMatchObject({
      remaining_usd: '0.00',
      status: 'exhausted',
    });
    const refused = await call('POST', `${id}/budget/spend`, { amount_usd: '0.000001' });
    expect(refused).toMatchObject({ status: 409, body: { code: 'over_budget' } });
  });

  it('when many spend at once, then exactly the limit is spent and every row adds up', async () => {
    const id = await userWith('10.00');
    const spends = Array.from({ length: 60 }, () =>
      call('POST', `${id}/budget/spend`, { amount_usd: '0.25' }),
    );
    const answers = await Promise.all(spends);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(40);
    expect(answers.filter(({ body }) => body.code === 'over_budget')).toHaveLength(20);
    const { body } = await call('GET', `${id}/budget/transactions?limit=100`);
    expect(body.total).toBe(41);
    let balance = 0;
    for (const row of body.data.reverse()) {
      balance += Number(row.amount_usd);
      expect(Number(row.balance_usd)).toBe(balance);
    }
    expect(balance).toBe(0);
  });

  it('when the month is over, then it reads afresh, and the next spend writes the reset', async () => {
    const id = await userWith('10.00');
    await call('POST', `${id}/budget/spend`, { amount_usd: '9.00' });
    clock.time = new Date('2028-03-01T00:00:00.000Z');
    const { body } = await call('GET', `${id}/budget`);
    expect(body).toMatchObject({ remaining_usd: '10.00', period_started_at: '2028-03-01T00:00:00.000Z' });
    await call('POST', `${id}/budget/spend`, { amount_usd: '2.00' });
    const { body: ledger } = await call('GET', `${id}/budget/transactions?limit=2`);
    expect(ledger.data).toMatchObject([
      { type: 'spend', balance_usd: '8.00' },
      { type: 'period_reset', amount_usd: '9.00', balance_usd: '10.00' },
    ]);
    expect(new Set(ledger.data.map((row: { id: string }) => row.id)).size).toBe(2);
    const next = await call('GET', `${id}/budget/transactions?limit=2&cursor=${ledger.next_cursor}`);
    expect(next.body).toMatchObject({
      data: [{ type: 'spend' }, { type: 'opening' }],
      next_cursor: null,
      total: 4,
    });
  });

  it('given a limit lowered below what is spent, then nothing remains while the ledger is below zero', async () => {
    const id = await userWith('10.00');
    await call('POST', `${id}/budget/spend`, { amount_usd: '9.00' });
    const { body } = await call('PUT', `${id}/budget`, { limit_usd: 5, period: 'monthly' });
    expect(body).toMatchObject({ spent_usd: '9.00', remaining_usd: '0.00', status: 'exhausted' });
    const { body: ledger } = await call('GET', `${id}/budget/transactions?limit=1`);
    expect(ledger.data).toMatchObject([{ type: 'limit_change', amount_usd: '-5.00', balance_usd: '-4.00' }]);
  });
});

describe('what a budget refuses', () => {
  it.each([
    ['PUT', 'budget', { limit_usd: '1' }, 'period'],
    ['PUT', 'budget', { limit_usd: '1', period: 'weekly' }, 'period'],
    ['PUT', 'budget', { limit_usd: '-1', period: 'none' }, 'limit_usd'],
    ['PUT', 'budget', { limit_usd: '1', period: 'none', x: 1 }, 'x'],
    ['POST', 'budget/spend', {}, 'amount_usd'],
    ['POST', 'budget/spend', { amount_usd: 0 }, 'amount_usd'],
    ['POST', 'budget/spend', { amount_usd: '0.0000001' }, 'amount_usd'],
    ['POST', 'budget/spend', { amount_usd: 1, description: 'x'.repeat(501) }, 'description'],
    ['GET', 'budget/transactions?cursor=abc', undefined, 'cursor'],
    ['GET', 'budget/transactions?limit=0', undefined, 'limit'],
  ] as const)('%s %s %j: names %s', async (method, path, payload, field) => {
    const id = await userWith('5');
    const { status, body } = await call(method, `${id}/${path}`, payload);
    expect({ status, code: body.code, field: body.errors?.[0].field }).toEqual({
      status: 400,
      code: 'invalid_input',
      field,
    });
  });

  const ROUTES = [
    ['PUT', 'budget', { limit_usd: '1', period: 'none' }],
    ['GET', 'budget', undefined],
    ['POST', 'budget/spend', { amount_usd: '1' }],
    ['GET', 'budget/transactions', undefined],
  ] as const;

  it.each(ROUTES)('%s %s of an unknown user: 404', async (method, path, payload) => {
    const { status, body } = await call(method, `${newId()}/${path}`, payload);
    expect({ status, detail: body.detail }).toEqual({ status: 404, detail: notFound('user').message });
  });

  it.each(ROUTES.slice(1))('%s %s without a budget: 404', async (method, path, payload) => {
    const id = addUser();
    const { status, body } = await call(method, `${id}/${path}`, payload);
    expect({ status, detail: body.detail }).toEqual({ status: 404, detail: 'budget not found' });
  });

  it('given a suspended user, then a spend is refused while the rest goes on', async () => {
    const id = await userWith('5');
    addUser({ status: 'suspended' }, id);
    const refused = await call('POST', `${id}/budget/spend`, { amount_usd: '1' });
    expect(refused).toMatchObject({ status: 409, body: { code: 'illegal_state' } });
    expect((await call('GET', `${id}/budget`)).status).toBe(200);
  });
});

describe('the end of a budget', () => {
  it('when its user is deleted, then it is gone, refuses everything, and the confirmation counts it', async () => {
    const id = await userWith('5');
    await call('POST', `${id}/budget/spend`, { amount_usd: '1', description: 'Secret of Alice' });
    const confirmed = await deleteUser(id);
    expect(validateMessage(confirmed, { exact: true })).toEqual([]);
    expect(confirmed.data).toMatchObject({ user_id: id, participant: 'budgets', removed: { budgets: 1 } });
    await service.app.get(ReadModels).catchUp(5_000);
    expect((await call('GET', `${id}/budget`)).body.detail).toBe('budget not found');
    for (const [method, path, payload] of [
      ['PUT', 'budget', { limit_usd: '9', period: 'none' }],
      ['POST', 'budget/spend', { amount_usd: '1' }],
    ] as const) {
      expect((await call(method, `${id}/${path}`, payload)).body.detail).toBe('user not found');
    }
    for (const file of filesUnder(service.folder)) {
      expect(readFileSync(file).includes('Secret of Alice')).toBe(false);
    }
  });

  it('when it is said again, then it is confirmed again in the same words', async () => {
    const id = await userWith('5');
    const [first, again] = [await deleteUser(id), await deleteUser(id)];
    expect({ ...again, correlationId: '', causationId: '' }).toEqual({
      ...first,
      correlationId: '',
      causationId: '',
    });
  });

  it('given a user who never had one, then it is confirmed with none and can never be opened', async () => {
    const id = addUser();
    expect((await deleteUser(id)).data).toMatchObject({ removed: { budgets: 0 } });
    const late = await call('PUT', `${id}/budget`, { limit_usd: '9', period: 'none' });
    expect(late).toMatchObject({ status: 404, body: { detail: 'user not found' } });
  });
});

describe('the read model', () => {
  it('when built anew, then it equals what it was', async () => {
    const readModels = service.app.get(ReadModels);
    await readModels.rebuild('budgets', true);
    const status = await until(() => {
      const now = readModels.rebuildStatus('budgets');
      return now.state === 'running' ? undefined : now;
    });
    expect(status).toMatchObject({ state: 'completed', differences: 0 });
  });
});
