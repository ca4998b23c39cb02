import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import { onKafka } from '../../libs/testing/src/back-ends/on-back-end.js';
import { SPLIT } from '../../libs/testing/src/service-process.js';
import {
  completedDeletion,
  createEquippedUser,
  createUser,
  eventually,
  expectProblem,
  expectStatus,
  inParallel,
  issueKey,
  MISSING_ID,
  numbers,
  start,
  verifyKey,
} from './support.js';

const NOT_FOUND = { status: 404, code: 'not_found' };

await onKafka(({ setting }) => {
  describe('the four services in processes of their own', () => {
    let service: Service;

    beforeAll(async () => {
      const env = { KAFKA_BROKERS: setting, KAFKA_TOPIC_PREFIX: `split${process.pid}.` };
      service = await start({ program: SPLIT, env: { ...env, KAFKA_TOPIC_PARTITIONS: '3' } });
    }, 120_000);

    /** The process of one of them. */
    function pidOf(name: string): number {
      const found = execFileSync('pgrep', ['-f', `/apps/${name}/src/main.js`], { encoding: 'utf8' });
      const isOurs = (pid: string) =>
        readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`TENANTRY_PUBLIC_URL=${service.url}\0`);
      const pid = found.trim().split('\n').find(isOurs);
      if (!pid) throw new Error(`${name} does not run`);
      return Number(pid);
    }

    it('given a user that was created a moment ago, then no other service answers that there is none', async () => {
      await inParallel(numbers(50), 8, async () => {
        const { id } = await createUser(service);
        const path = `/v1/users/${id}`;
        const answers = await Promise.all([
          service.request('POST', `${path}/keys`, { body: {} }),
          service.request('PUT', `${path}/budget`, { body: { limit_usd: '1.00', period: 'none' } }),
          service.request('PUT', `${path}/vault/secret`, { body: { value: 'x' } }),
        ]);
        expect(answers.map(({ status }) => status)).toEqual([201, 200, 204]);
      });
    });

    it('given a platform key that was just issued, then each service takes it, until it is revoked', async () => {
      const { id } = await createUser(service);
      const scopes = ['keys:read', 'budgets:read', 'vault:read', 'users:read'];
      for (let round = 0; round < 10; round++) {
        const issued = await service.request<{ id: string; raw_key: string }>('POST', '/v1/platform-keys', {
          body: { name: 'key', scopes },
        });
        const { id: keyId, raw_key: key } = expectStatus(issued, 201).body;
        const read = async () => {
          const paths = ['', '/keys', '/vault', '/rate-limits'];
          const answers = paths.map((path) => service.request('GET', `/v1/users/${id}${path}`, { key }));
          return (await Promise.all(answers)).map(({ status }) => status);
        };
        expect(await read()).toEqual([200, 200, 200, 200]);
        expectStatus(await service.request('DELETE', `/v1/platform-keys/${keyId}`), 204);
        expect(await read()).toEqual([401, 401, 401, 401]);
      }
    });

    it('given a user who is suspended, made active and deleted, then each holds from the next request on', async () => {
      await inParallel(numbers(20), 4, async () => {
        const { id, rawKey } = await createEquippedUser(service);
        const path = `/v1/users/${id}`;
        const set = (status: string) => service.request('PATCH', path, { body: { status } });
        const spend = () => service.request('POST', `${path}/budget/spend`, { body: { amount_usd: '0.01' } });
        expect(await verifyKey(service, rawKey)).toMatchObject({ valid: true });
        expectStatus(await spend(), 201);
        expectStatus(await set('suspended'), 200);
        expect(await verifyKey(service, rawKey)).toEqual({ valid: false, code: 'user_inactive' });
        expectProblem(await spend(), { status: 409, code: 'illegal_state' });
        expectStatus(await set('active'), 200);
        expect(await verifyKey(service, rawKey)).toMatchObject({ valid: true });
        expectStatus(await service.request('DELETE', path), 202);
        expect(await verifyKey(service, rawKey)).toEqual({ valid: false, code: 'revoked' });
        for (const rest of ['/keys', '/budget', '/vault']) {
          expectProblem(await service.request('GET', `${path}${rest}`), NOT_FOUND);
        }
        const { participants } = await completedDeletion(service, id);
        expect(participants.map(({ removed }) => removed)).toEqual(
          expect.arrayContaining([{ keys: 1 }, { budgets: 1 }, { secrets: 1 }]),
        );
      });
    });

    it('given an account kit that takes a scope back, then the next verification heeds it', async () => {
      const body = { name: 'Kit', key_scopes: ['chat', 'tools'] };
      const created = await service.request<{ id: string }>('POST', '/v1/account-kits', { body });
      const kitId = expectStatus(created, 201).body.id;
      const { id } = await createUser(service, { account_kit_id: kitId });
      const issued = await service.request<{ raw_key: string }>('POST', `/v1/users/${id}/keys`, {
        body: { scopes: ['chat', 'tools'] },
      });
      const { raw_key } = expectStatus(issued, 201).body;
      expect(await verifyKey(service, raw_key)).toMatchObject({ scopes: ['chat', 'tools'] });
      const change = { body: { key_scopes: ['chat'] } };
      expectStatus(await service.request('PATCH', `/v1/account-kits/${kitId}`, change), 200);
      expect(await verifyKey(service, raw_key)).toMatchObject({ scopes: ['chat'] });
    });

    it('given a deleted tenant, then nothing in it is answered any more, by whichever service', async () => {
      const created = await service.request<{ id: string }>('POST', '/v1/tenants', {
        body: { name: 'Acme' },
      });
      const tenantId = expectStatus(created, 201).body.id;
      const caller = { headers: { 'x-tenant-id': tenantId } };
      const { id } = await createUser(service, {}, caller);
      const { raw_key } = await issueKey(service, id, caller);
      expectStatus(await service.request('DELETE', `/v1/tenants/${tenantId}`), 202);
      expectProblem(await service.request('GET', `/v1/users/${id}/keys`, caller), NOT_FOUND);
      expect(await verifyKey(service, raw_key)).toMatchObject({ valid: false });
    });

    it('given what the services hold, then a dry run counts it, and the projections of all are listed and rebuilt', async () => {
      const { id } = await createEquippedUser(service);
      const dryRun = await service.request('DELETE', `/v1/users/${id}?dry_run=true`);
      expect(expectStatus(dryRun, 200).body).toEqual({
        would_remove: { keys: 1, budgets: 1, connections: 0, secrets: 1 },
      });
      const { body } = await service.request<{ data: { name: string }[] }>('GET', '/v1/projections');
      const names = body.data.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(['user-directory', 'key-registry', 'budgets', 'secrets']));
      const path = '/v1/projections/budgets/rebuild';
      const key = service.rootKey;
      expectStatus(await service.request('POST', path, { key, body: { verify: true } }), 202);
      const rebuilt = await eventually(
        () => service.request<{ state: string; differences?: number }>('GET', path, { key }),
        (answer) => answer.body.state !== 'running',
      );
      expect(rebuilt.body).toMatchObject({ state: 'completed', differences: 0 });
    });

    it('given a position of another service, then it says nothing of this one, and is not waited for', async () => {
      const { id } = await createUser(service);
      const put = await service.request('PUT', `/v1/users/${id}/vault/secret`, { body: { value: 'x' } });
      const position = put.headers.get('tenantry-position') ?? '';
      const far = { headers: { 'tenantry-min-position': String(BigInt(position) + 8n * 1_000_000n) } };
      expectStatus(await service.request('GET', `/v1/users/${id}`, far), 200);
      const behind = await service.request('GET', `/v1/users/${id}/vault`, far);
      expectProblem(behind, { status: 503, code: 'projection_behind' });
    });

    it.each(['messages/user/x', 'holdings', 'messages'])(
      'given /internal/%s, then it is no route',
      async (path) => {
        for (const method of ['GET', 'POST']) {
          const answer = await service.request(method, `/internal/${path}`, { key: service.rootKey });
          expectProblem(answer, NOT_FOUND);
        }
      },
    );

    it('given a service itself, when its internal routes are called without the root key, then it refuses', async () => {
      const environment = readFileSync(`/proc/${pidOf('keys')}/environ`, 'utf8');
      const [, inside] = /\0TENANTRY_TENANT_USERS_URL=(\S+?)\/tenant-users\0/.exec(environment) ?? [];
      for (const name of ['tenant-users', 'keys']) {
        const path = name === 'keys' ? 'holdings' : `messages/user/${MISSING_ID}`;
        const ask = async (headers: Record<string, string>): Promise<number> => {
          const method = name === 'keys' ? 'POST' : 'GET';
          return (await fetch(`${inside}/${name}/internal/${path}`, { method, headers })).status;
        };
        expect(await ask({})).toBe(401);
        expect(await ask({ authorization: `Bearer ${service.platformKey}` })).toBe(403);
        expect(await ask({ authorization: `Bearer ${service.rootKey}` })).toBe(name === 'keys' ? 400 : 200);
      }
    });

    it('while the tenant-users service is away, then what the others know goes on', async () => {
      const { id, rawKey } = await createEquippedUser(service);
      const pid = pidOf('tenant-users');
      process.kill(pid, 'SIGSTOP');
      try {
        expect(await verifyKey(service, rawKey)).toMatchObject({ valid: true });
        const spend = { body: { amount_usd: '1.00' } };
        expectStatus(await service.request('POST', `/v1/users/${id}/budget/spend`, spend), 201);
        const unknown = await service.request('GET', `/v1/users/${MISSING_ID}/keys`);
        expectProblem(unknown, { status: 503, code: 'unavailable' });
        expect(unknown.headers.get('retry-after')).not.toBeNull();
      } finally {
        process.kill(pid, 'SIGCONT');
      }
    });

    it('given services that are killed amid deletions, then they come back and all deletions complete', async () => {
      const users = await inParallel(numbers(12), 4, () => createEquippedUser(service));
      const deleting = inParallel(users, 2, async ({ id }) => {
        expectStatus(await service.request('DELETE', `/v1/users/${id}`), 202);
      });
      for (const name of ['keys', 'budgets', 'connections']) process.kill(pidOf(name), 'SIGKILL');
      await deleting;
      for (const { id } of users) {
        const receipt = await eventually(
          () => service.request<{ status: string }>('GET', `/v1/users/${id}/deletion`),
          ({ body }) => body?.status === 'completed',
          60_000,
        );
        expect(receipt.body).toMatchObject({ status: 'completed' });
      }
      const ready = await eventually(
        () => service.request('GET', '/health/ready', { key: null }),
        ({ status }) => status === 200,
        60_000,
      );
      expect(ready.status).toBe(200);
      for (const { rawKey } of users)
        expect(await verifyKey(service, rawKey)).toMatchObject({ valid: false });
    }, 180_000);
  });
});
