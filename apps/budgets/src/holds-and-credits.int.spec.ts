import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MESSAGE_TYPES } from '#contracts';
import { Aggregates } from '#event-store';
import { newId } from '#kernel';
import { ReadModels } from '#platform';
import { addUser, BudgetsApp, clock, type Method, until, world } from '../../../test/services/budgets-app.js';
import { budget } from './domain/budget.decide.js';

let service: BudgetsApp;
const call = (method: Method, path: string, payload?: object) => service.call(method, path, payload);

beforeAll(async () => {
  service = await BudgetsApp.start();
});

afterAll(() => service?.close());

const later = (ms: number) => {
  clock.time = new Date(clock.time.getTime() + ms);
};

async function userWith(limit: string, period = 'none'): Promise<string> {
  const id = addUser();
  expect((await call('PUT', `${id}/budget`, { limit_usd: limit, period })).status).toBe(200);
  return id;
}

async function hold(id: string, amount: string, rest: object = {}): Promise<string> {
  const { status, body } = await call('POST', `${id}/budget/holds`, { amount_usd: amount, ...rest });
  expect({ status, body }).toMatchObject({ status: 201 });
  return body.id;
}

interface Row {
  id: string;
  type: string;
  amount_usd: string;
  balance_usd: string;
  description: string | null;
  at: string;
}

const micro = (usd: string) => Math.round(Number(usd) * 1e6);

/** Oldest first; checks that each balance is the sum of the amounts so far. */
async function ledgerOf(id: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor = ''; ; ) {
    const { body } = await call('GET', `${id}/budget/transactions?limit=100${cursor && `&cursor=${cursor}`}`);
    rows.unshift(...body.data.reverse());
    if (body.next_cursor === null) break;
    cursor = body.next_cursor;
  }
  let balance = 0;
  for (const { amount_usd, balance_usd } of rows) {
    balance += micro(amount_usd);
    expect(micro(balance_usd)).toBe(balance);
  }
  return rows;
}

describe('a hold over HTTP', () => {
  it('when placed, then it tells its expiry and the amount is set aside', async () => {
    const id = await userWith('10');
    const { status, body } = await call('POST', `${id}/budget/holds`, {
      amount_usd: '4',
      description: 'Run',
    });
    expect({ status, body }).toEqual({
      status: 201,
      body: {
        id: expect.any(String),
        status: 'held',
        amount_usd: '4.00',
        balance_usd: '6.00',
        expires_at: new Date(clock.time.getTime() + 600_000).toISOString(),
        description: 'Run',
        at: clock.time.toISOString(),
      },
    });
    const { body: shown } = await call('GET', `${id}/budget`);
    expect(shown).toMatchObject({ held_usd: '4.00', spent_usd: '0.00', remaining_usd: '6.00' });
    expect((await ledgerOf(id)).at(-1)).toMatchObject({ id: body.id, type: 'hold', amount_usd: '-4.00' });
  });

  it('when settled, then it is spent and the description goes along', async () => {
    const id = await userWith('10');
    const held = await hold(id, '4', { description: 'Run' });
    const answer = await call('POST', `${id}/budget/holds/${held}/settle`, { amount_usd: '5.5' });
    expect(answer).toMatchObject({
      status: 201,
      position: expect.stringMatching(/^\d+$/),
      body: { type: 'settle', amount_usd: '-1.50', balance_usd: '4.50', description: 'Run' },
    });
    expect((await ledgerOf(id)).at(-1)).toEqual(answer.body);
    expect((await call('GET', `${id}/budget`)).body).toMatchObject({
      held_usd: '0.00',
      spent_usd: '5.50',
      remaining_usd: '4.50',
    });
  });

  it('given it is settled, then it can be neither settled nor released', async () => {
    const id = await userWith('10');
    const path = `${id}/budget/holds/${await hold(id, '4')}`;
    expect((await call('POST', `${path}/settle`, { amount_usd: '1' })).status).toBe(201);
    for (const again of [call('POST', `${path}/settle`, { amount_usd: '1' }), call('DELETE', path)]) {
      expect(await again).toMatchObject({ status: 409, body: { code: 'illegal_state' } });
    }
    expect((await call('GET', `${id}/budget`)).body).toMatchObject({ spent_usd: '1.00' });
  });

  it('given it is released, then it can be released again but not settled', async () => {
    const id = await userWith('10');
    const path = `${id}/budget/holds/${await hold(id, '4')}`;
    expect((await call('DELETE', path)).status).toBe(204);
    expect((await call('DELETE', path)).status).toBe(204);
    const settled = await call('POST', `${path}/settle`, { amount_usd: '1' });
    expect(settled).toMatchObject({ status: 409, body: { code: 'illegal_state' } });
    expect((await ledgerOf(id)).map(({ type }) => type)).toEqual(['opening', 'hold', 'release']);
  });

  it('when many settle it at once, then one does', async () => {
    const id = await userWith('10');
    const path = `${id}/budget/holds/${await hold(id, '4')}`;
    const settle = () => call('POST', `${path}/settle`, { amount_usd: '4' });
    const answers = await Promise.all(Array.from({ length: 10 }, settle));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)]);
  });

  it('given its time is over, then reads show it released, and the ledger dates that at its expiry', async () => {
    const id = await userWith('10');
    const path = `${id}/budget/holds/${await hold(id, '4', { expires_in_seconds: 60 })}`;
    const expiry = new Date(clock.time.getTime() + 60_000).toISOString();
    later(59_999);
    expect((await call('GET', `${id}/budget`)).body).toMatchObject({ held_usd: '4.00' });
    expect(await ledgerOf(id)).toHaveLength(2);
    later(60_000);
    expect((await call('GET', `${id}/budget`)).body).toMatchObject({
      held_usd: '0.00',
      remaining_usd: '10.00',
    });
    const late = await call('POST', `${path}/settle`, { amount_usd: '1' });
    expect(late).toMatchObject({ status: 409, body: { code: 'illegal_state' } });
    expect((await ledgerOf(id)).at(-1)).toMatchObject({ type: 'release', balance_usd: '10.00', at: expiry });
    expect(await call('POST', `${path}/settle`, { amount_usd: '1' })).toMatchObject({ status: 409 });
    expect((await call('DELETE', path)).status).toBe(204);
  });

  it('when unknown, or of another user, then it is not found', async () => {
    const [id, other] = [await userWith('10'), await userWith('10')];
    for (const holdId of [newId(), await hold(other, '4')]) {
      const path = `${id}/budget/holds/${holdId}`;
      for (const answer of [call('POST', `${path}/settle`, { amount_usd: '1' }), call('DELETE', path)]) {
        expect(await answer).toMatchObject({ status: 404, body: { detail: 'hold not found' } });
      }
    }
  });

  it.each([
    ['holds', {}, 'amount_usd'],
    ['holds', { amount_usd: 0 }, 'amount_usd'],
    ['holds', { amount_usd: 1, expires_in_seconds: 0 }, 'expires_in_seconds'],
    ['holds', { amount_usd: 1, expires_in_seconds: null }, 'expires_in_seconds'],
    ['holds', { amount_usd: 1, expires_in_seconds: '60' }, 'expires_in_seconds'],
    ['holds', { amount_usd: 1, expires_in_seconds: 2_678_401 }, 'expires_in_seconds'],
    ['holds/nope/settle', { amount_usd: 1 }, 'hold_id'],
    [`holds/${newId()}/settle`, {}, 'amount_usd'],
    ['credit', { amount_usd: '-1' }, 'amount_usd'],
    ['credit', { amount_usd: 0 }, 'amount_usd'],
  ])('POST %s %j: names %s', async (path, payload, field) => {
    const id = await userWith('10');
    const { status, body } = await call('POST', `${id}/budget/${path}`, payload);
    expect({ status, field: body.errors?.[0].field }).toEqual({ status: 400, field });
  });
});

describe('a credit over HTTP', () => {
  it('when given, then it can be spent and outlives the month', async () => {
    const id = await userWith('10', 'monthly');
    await call('POST', `${id}/budget/spend`, { amount_usd: '10' });
    const answer = await call('POST', `${id}/budget/credit`, { amount_usd: '5', description: 'Goodwill' });
    expect(answer).toMatchObject({
      status: 201,
      body: { type: 'credit', amount_usd: '5.00', balance_usd: '5.00', description: 'Goodwill' },
    });
    await call('POST', `${id}/budget/spend`, { amount_usd: '2' });
    later(31 * 86_400_000);
    expect((await call('GET', `${id}/budget`)).body).toMatchObject({
      spent_usd: '0.00',
      remaining_usd: '13.00',
    });
    expect((await ledgerOf(id)).at(-1)).toMatchObject({
      type: 'period_reset',
      amount_usd: '10.00',
      balance_usd: '13.00',
    });
  });
});

describe('the budget that a user has from the start', () => {
  const openingBudget = { limit: 3_000_000, period: 'monthly' } as const;
  const opening_budget = { limit_micro_usd: 3_000_000, period: 'monthly' };
  const createdAt = '2028-02-29T23:59:59.999Z';
  const created = { account_kit_id: world.accountKitId, status: 'active', is_default: false, opening_budget };
  const opening = { type: 'opening', amount_usd: '3.00', balance_usd: '3.00', at: createdAt };

  const ways: [string, (id: string) => Promise<{ status: number }>, number][] = [
    ['reads it', (id) => call('GET', `${id}/budget`), 200],
    ['reads its ledger', (id) => call('GET', `${id}/budget/transactions`), 200],
    ['spends', (id) => call('POST', `${id}/budget/spend`, { amount_usd: '1' }), 201],
    ['spends too much', (id) => call('POST', `${id}/budget/spend`, { amount_usd: '4' }), 409],
    ['holds', (id) => call('POST', `${id}/budget/holds`, { amount_usd: '1' }), 201],
    ['credits', (id) => call('POST', `${id}/budget/credit`, { amount_usd: '1' }), 201],
    ['sets it', (id) => call('PUT', `${id}/budget`, { limit_usd: '9', period: 'none' }), 200],
  ];

  it.each(ways)('when someone %s first, then it is there', async (_, come, status) => {
    const id = addUser({ createdAt, openingBudget });
    expect(await come(id)).toMatchObject({ status });
    expect((await ledgerOf(id))[0]).toMatchObject(opening);
    await service.tell(MESSAGE_TYPES.userCreated, id, created);
    await service.deleteUser(id);
  });

  it('when the message of the creation comes first, twice, then it opens once', async () => {
    const id = addUser({ createdAt, openingBudget });
    await service.tell(MESSAGE_TYPES.userCreated, id, created);
    await service.tell(MESSAGE_TYPES.userCreated, id, created);
    const aggregates = service.app.get(Aggregates);
    await until(async () =>
      (await aggregates.load(budget, id)).revision === 'no_stream' ? undefined : true,
    );
    expect(await ledgerOf(id)).toMatchObject([opening, { type: 'period_reset', amount_usd: '0.00' }]);
    expect((await service.deleteUser(id)).data).toMatchObject({ removed: { budgets: 1 } });
  });

  it('when all come at once, then it opens once', async () => {
    const id = addUser({ createdAt, openingBudget });
    const spend = () => call('POST', `${id}/budget/spend`, { amount_usd: '1' });
    const told = service.tell(MESSAGE_TYPES.userCreated, id, created);
    const reads = Array.from({ length: 5 }, () => call('GET', `${id}/budget`));
    const spends = Array.from({ length: 10 }, spend);
    expect((await Promise.all(spends)).filter(({ status }) => status === 201)).toHaveLength(3);
    expect((await Promise.all(reads)).every(({ status }) => status === 200)).toBe(true);
    await told;
    expect((await ledgerOf(id)).filter(({ type }) => type === 'opening')).toHaveLength(1);
  });

  it('given the deletion was first, then nothing opens it again', async () => {
    const id = addUser({ createdAt, openingBudget });
    expect((await service.deleteUser(id)).data).toMatchObject({ removed: { budgets: 0 } });
    await service.tell(MESSAGE_TYPES.userCreated, id, created);
    expect((await service.deleteUser(id)).data).toMatchObject({ removed: { budgets: 0 } });
    expect((await call('GET', `${id}/budget`)).status).toBe(404);
    expect((await call('GET', `${id}/budget/transactions`)).status).toBe(404);
    expect((await call('POST', `${id}/budget/spend`, { amount_usd: '1' })).status).toBe(404);
  });
});

describe('a user who is not active', () => {
  it.each(['suspended', 'inactive', 'archived'] as const)(
    'given %s, then only spends and holds rest',
    async (status) => {
      const id = await userWith('10');
      const [one, other] = [await hold(id, '1'), await hold(id, '1')];
      addUser({ status }, id);
      for (const path of ['spend', 'holds']) {
        const refused = await call('POST', `${id}/budget/${path}`, { amount_usd: '1' });
        expect(refused).toMatchObject({ status: 409, body: { code: 'illegal_state' } });
      }
      const goesOn = [
        call('POST', `${id}/budget/holds/${one}/settle`, { amount_usd: '1' }),
        call('DELETE', `${id}/budget/holds/${other}`),
        call('POST', `${id}/budget/credit`, { amount_usd: '1' }),
        call('PUT', `${id}/budget`, { limit_usd: '20', period: 'none' }),
        call('GET', `${id}/budget`),
      ];
      expect((await Promise.all(goesOn)).map((answer) => answer.status)).toEqual([201, 204, 201, 200, 200]);
    },
  );
});

describe('many at once', () => {
  it('given 100.00, when 200 spend 1.00, then exactly 100 do and every row adds up', async () => {
    const id = await userWith('100.00');
    const spend = () => call('POST', `${id}/budget/spend`, { amount_usd: '1.00' });
    const answers = await Promise.all(Array.from({ length: 200 }, spend));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(100);
    expect(answers.filter(({ body }) => body.code === 'over_budget')).toHaveLength(100);
    const rows = await ledgerOf(id);
    expect(rows).toHaveLength(101);
    expect(rows.at(-1)?.balance_usd).toBe('0.00');
  });

  it('when they spend, hold, settle and release, then no row passes the limit and every one adds up', async () => {
    const id = await userWith('20.00');
    const one = async (index: number) => {
      if (index % 2 === 0) return call('POST', `${id}/budget/spend`, { amount_usd: '0.30' });
      const placed = await call('POST', `${id}/budget/holds`, { amount_usd: '0.50' });
      if (placed.status !== 201) return placed;
      const path = `${id}/budget/holds/${placed.body.id}`;
      if (index % 3 === 0) return call('DELETE', path);
      return call('POST', `${path}/settle`, { amount_usd: index % 5 === 0 ? '0.60' : '0.20' });
    };
    const answers = await Promise.all(Array.from({ length: 120 }, (_, index) => one(index)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 204, 409]));
    const rows = await ledgerOf(id);
    expect(Math.min(...rows.map(({ balance_usd }) => micro(balance_usd)))).toBeGreaterThanOrEqual(0);
    expect((await call('GET', `${id}/budget`)).body.remaining_usd).toBe(rows.at(-1)?.balance_usd);
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
