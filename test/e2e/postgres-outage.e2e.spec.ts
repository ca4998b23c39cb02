import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { RequestOptions, Service } from '#testing';
import { onOwnPostgres } from '../../libs/testing/src/back-ends/on-back-end.js';
import {
  completedDeletion,
  createUser,
  eventually,
  expectProblem,
  type IssuedKey,
  inParallel,
  numbers,
  type Page,
  start,
  type User,
  verifyKey,
} from './support.js';

const OUTAGE_MS = Number(process.env.TENANTRY_TEST_OUTAGE_MS ?? 10_000);
const CAUGHT_UP_WITHIN_MS = 30_000;
const LANES = 4;
const OAUTH = {
  authorize_url: 'https://provider.example/authorize',
  token_url: 'https://provider.example/token',
};

/** A user and all that the answers to the writes say of it. */
interface Model {
  user: User;
  spends: number;
  keys: string[];
  secrets: string[];
  deleted: boolean;
}

/** What no command may answer: a refusal, or no position. */
async function command<Body>(
  service: Service,
  method: string,
  path: string,
  options: RequestOptions = {},
): Promise<Body> {
  const answer = await service.request<Body>(method, path, options);
  if (answer.status >= 300 || !answer.headers.get('tenantry-position')) {
    throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`);
  }
  return answer.body;
}

async function equippedUser(service: Service, label: string): Promise<Model> {
  const user = await command<User>(service, 'POST', '/v1/users', { body: { label } });
  const path = `/v1/users/${user.id}`;
  const { raw_key: key } = await command<IssuedKey>(service, 'POST', `${path}/keys`, { body: {} });
  await command(service, 'PUT', `${path}/budget`, { body: { limit_usd: '10.00', period: 'none' } });
  await command(service, 'PUT', `${path}/vault/token`, { body: { value: 'sk-secret' } });
  return { user, spends: 0, keys: [key], secrets: ['token'], deleted: false };
}

async function change(service: Service, model: Model, round: number): Promise<void> {
  const path = `/v1/users/${model.user.id}`;
  await command(service, 'POST', `${path}/budget/spend`, { body: { amount_usd: '0.01' } });
  model.spends += 1;
  model.user = await command<User>(service, 'PATCH', path, { body: { label: `changed ${round}` } });
  if (round % 3 !== 2) return;
  await command(service, 'DELETE', path);
  model.deleted = true;
}

async function expectModel(service: Service, model: Model): Promise<void> {
  const path = `/v1/users/${model.user.id}`;
  const get = async <Body>(rest: string) => (await service.request<Body>('GET', path + rest)).body;
  if (model.deleted) {
    expectProblem(await service.request('GET', path), { status: 404, code: 'not_found' });
    await completedDeletion(service, model.user.id);
    expect(await verifyKey(service, model.keys[0] ?? '')).toMatchObject({ valid: false });
    return;
  }
  expect(await get('')).toEqual(model.user);
  expect(await get<Page<object>>('/keys')).toMatchObject({ total: model.keys.length });
  for (const key of model.keys) expect(await verifyKey(service, key)).toMatchObject({ valid: true });
  const vault = await get<Page<{ name: string }>>('/vault');
  expect(vault.data.map(({ name }) => name)).toEqual(model.secrets);
  const ledger = await get<Page<{ type: string }>>('/budget/transactions?limit=100');
  expect(ledger.data.filter(({ type }) => type === 'spend')).toHaveLength(model.spends);
}

/** Each command that is answered with what it made, once. */
async function everyOtherCommand(service: Service, early: Model): Promise<void> {
  const tenant = await command<{ id: string }>(service, 'POST', '/v1/tenants', { body: { name: 'Late' } });
  const renamed = { body: { name: 'Later' } };
  expect(await command(service, 'PATCH', `/v1/tenants/${tenant.id}`, renamed)).toMatchObject(renamed.body);
  const kit = await command<{ id: string }>(service, 'POST', '/v1/account-kits', {
    body: { name: 'Late', key_scopes: ['chat'], budget_usd: '5.00' },
  });
  await command(service, 'PATCH', `/v1/account-kits/${kit.id}`, renamed);
  const body = { name: 'late', scopes: ['users:write', 'keys:write'] };
  const issued = await command<{ raw_key: string }>(service, 'POST', '/v1/platform-keys', { body });
  const inTenant = { key: issued.raw_key, headers: { 'x-tenant-id': tenant.id } };
  const user = await createUser(service, { account_kit_id: kit.id }, inTenant);
  expect(user).toMatchObject({ tenant_id: tenant.id, account_kit_id: kit.id });
  const keys = `/v1/users/${user.id}/keys`;
  expect(await command(service, 'POST', keys, { ...inTenant, body: {} })).toMatchObject({ scopes: ['chat'] });
  const path = `/v1/users/${early.user.id}`;
  await command(service, 'PUT', `${path}/rate-limits/chat`, { body: { limit: 2, window_seconds: 60 } });
  const consumed = await service.request('POST', `${path}/rate-limits/chat/consume`, { body: {} });
  expect(consumed.body).toMatchObject({ allowed: true, remaining: 1 });
  const provider = { kind: 'oauth2', ...OAUTH, client_id: 'late', client_secret: 'secret', scopes: ['read'] };
  expect(await command(service, 'PUT', '/v1/providers/late', { body: provider })).toMatchObject({
    name: 'late',
  });
  const connect = { body: { provider: 'late' } };
  const pending = await command<{ id: string }>(service, 'POST', `${path}/connections/connect`, connect);
  expect(pending).toMatchObject({ provider: 'late', status: 'pending' });
  await command(service, 'DELETE', `${path}/connections/${pending.id}`);
  const made = await command<{ default_tenant_id: string }>(service, 'POST', '/v1/platforms', {
    key: service.rootKey,
    body: { name: 'Late' },
  });
  expect(made).toMatchObject({ name: 'Late', api_key: { status: 'active' } });
}

/** Nothing that was said to be over works on, whatever is remembered of it. */
async function expectSuspensionHolds(service: Service, early: Model): Promise<void> {
  const path = `/v1/users/${early.user.id}`;
  const suspended = { body: { status: 'suspended' } };
  await command(service, 'PATCH', path, suspended);
  const spend = { body: { amount_usd: '0.01' } };
  expectProblem(await service.request('POST', `${path}/budget/spend`, spend), {
    status: 409,
    code: 'illegal_state',
  });
  const verified = await service.request('POST', '/v1/keys/verify', { body: { key: early.keys[0] } });
  expectProblem(verified, { status: 503, code: 'unavailable' });
  early.user = await command<User>(service, 'PATCH', path, { body: { status: 'active' } });
}

await onOwnPostgres((cluster) => {
  describe('the service while PostgreSQL is down', () => {
    it(
      'given commands all along, then each is answered, and the read models come to what was answered',
      async () => {
        const service = await start({ env: { DATABASE_URL: `${cluster.url}?schema=outage` } });
        const isReady = async (status: number) =>
          (await service.request('GET', '/health/ready', { key: null })).status === status;
        const early = await equippedUser(service, 'early');
        const models = [early];
        let slowestMs = 0;
        let isDown = false;
        let loading = true;
        const load = inParallel(numbers(LANES), LANES, async (lane) => {
          for (let round = 0; loading; round++) {
            const began = performance.now();
            const model = await equippedUser(service, `lane ${lane} round ${round}`);
            models.push(model);
            await change(service, model, round);
            if (isDown) slowestMs = Math.max(slowestMs, performance.now() - began);
            await sleep(200);
          }
        });
        const failed = load.catch((error: unknown) => error);
        await sleep(2_000);
        expect(await verifyKey(service, early.keys[0] ?? '')).toMatchObject({ valid: true });
        await cluster.kill();
        isDown = true;
        const before = models.length;
        await eventually(() => isReady(503), Boolean);
        await everyOtherCommand(service, early);
        await expectSuspensionHolds(service, early);
        expectProblem(await service.request('GET', `/v1/users/${early.user.id}`), {
          status: 503,
          code: 'projection_behind',
        });
        await sleep(OUTAGE_MS);
        expect(await isReady(503)).toBe(true);
        const during = models.length - before;
        expect(during).toBeGreaterThan(LANES);
        isDown = false;
        await cluster.restart();
        const returned = performance.now();
        await eventually(() => isReady(200), Boolean, 3 * CAUGHT_UP_WITHIN_MS);
        const caughtUp = performance.now() - returned;
        loading = false;
        if (await failed.then((outcome) => outcome instanceof Error)) throw await failed;
        process.stderr.write(
          `${during} users made and changed in ${OUTAGE_MS} ms without PostgreSQL, slowest round ` +
            `${Math.round(slowestMs)} ms; ready ${Math.round(caughtUp)} ms after its return\n`,
        );
        await inParallel(models, 4, (model) => expectModel(service, model));
        const { body } = await service.request<Page<User>>('GET', '/v1/users?limit=1');
        expect(body.total).toBe(models.filter(({ deleted }) => !deleted).length + 1);
        expect((await service.stop()).code).toBe(0);
      },
      OUTAGE_MS + 240_000,
    );
  });
});
