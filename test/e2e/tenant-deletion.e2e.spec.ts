import { describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import {
  createUser,
  eventually,
  expectStatus,
  inParallel,
  issueKey,
  numbers,
  start,
  temporaryDataDir,
  verifyKey,
} from './support.js';

interface Progress {
  status: string;
  users_total: number;
  users_deleted: number;
  users_completed: number;
}

const USERS = 300;

describe('deleting a tenant', () => {
  const progress = async (service: Service, id: string) =>
    expectStatus(await service.request<Progress>('GET', `/v1/tenants/${id}/deletion`), 200).body;

  it('ends each of its users, though the process is killed on the way', async () => {
    const dataDir = temporaryDataDir();
    let service = await start({ dataDir });
    const made = await service.request<{ id: string }>('POST', '/v1/tenants', { body: { name: 'Globex' } });
    const { id } = expectStatus(made, 201).body;
    const inTenant = { headers: { 'x-tenant-id': id } };
    const users = await inParallel(numbers(USERS), 32, () => createUser(service, {}, inTenant));
    const [someone] = users;
    const { raw_key } = await issueKey(service, someone?.id ?? '', inTenant);
    expect(await verifyKey(service, raw_key)).toMatchObject({ valid: true });

    expectStatus(await service.request('DELETE', `/v1/tenants/${id}`), 202);
    expect(await verifyKey(service, raw_key)).toMatchObject({ valid: false });
    for (let kills = 0; kills < 3; kills++) {
      await service.kill();
      service = await start({ dataDir });
      expect(await progress(service, id)).toMatchObject({ users_total: USERS + 1 });
    }
    const end = await eventually(
      () => progress(service, id),
      ({ status }) => status === 'completed',
      60_000,
    );
    const count = USERS + 1;
    expect(end).toMatchObject({ users_total: count, users_deleted: count, users_completed: count });
    expectStatus(await service.request('GET', '/v1/users', inTenant), 404);
  });
});
