import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '#kernel';
import { type Holder, Holdings } from '#platform';
import { openService, type ServiceApplication } from '../../../test/service-application.js';
import { TenantUsersModule, tenantUsersConsumer } from './index.js';

const clock = { now: () => new Date('2026-01-15T10:00:00Z') };

describe('the preview of a deletion', () => {
  let service: ServiceApplication;
  let key: string;
  let foreign: string;
  const asked: Holder[] = [];

  beforeAll(async () => {
    service = await openService({ modules: [TenantUsersModule], consumers: [tenantUsersConsumer], clock });
    key = (await service.newPlatform()).api_key.raw_key;
    foreign = (await service.newPlatform()).api_key.raw_key;
    const holdings = service.app.get(Holdings);
    holdings.register('keys', async (user) => {
      asked.push(user);
      return { keys: 3 };
    });
    holdings.register('vault', async () => ({ secrets: 1 }));
  });
  afterAll(() => service.remove());

  const newUser = async () => (await service.call('POST', '/v1/users', {}, { key })).body;
  const preview = async (id: string, headers: Record<string, string> = {}, by = key, dry = 'true') => {
    const answer = await service.call('DELETE', `/v1/users/${id}?dry_run=${dry}`, undefined, {
      key: by,
      headers,
    });
    const { request_id: _, ...said } = answer.body;
    return { status: answer.status, ...said };
  };

  it('given a user, then all participants are asked for their counts, and the user stays', async () => {
    const user = await newUser();
    expect(await preview(user.id)).toEqual({ status: 200, would_remove: { keys: 3, secrets: 1 } });
    expect(asked.at(-1)).toMatchObject({ tenant_id: user.tenant_id, user_id: user.id });
    const { status, body } = await service.call('GET', `/v1/users/${user.id}`, undefined, { key });
    expect([status, body]).toEqual([200, user]);
  });

  it('given what a deletion is refused for, then the preview is too', async () => {
    const { id } = await newUser();
    expect(await preview(id, { 'if-match': '"0"' })).toMatchObject({ status: 200 });
    expect(await preview(id, { 'if-match': '"7"' })).toMatchObject({
      status: 412,
      code: 'revision_mismatch',
    });
    expect(await preview('default')).toMatchObject({ status: 409, code: 'illegal_state' });
    const missing = await preview(newId());
    expect(missing).toMatchObject({ status: 404, code: 'not_found' });
    expect(await preview(id, {}, foreign)).toEqual(missing);
    expect(await preview(id, {}, key, 'maybe')).toMatchObject({
      status: 400,
      errors: [{ field: 'dry_run' }],
    });
  });

  it('given dry_run=false, then the user is deleted', async () => {
    const { id } = await newUser();
    expect(await preview(id, {}, key, 'false')).toMatchObject({ status: 'pending', user_id: id });
    expect(await preview(id)).toMatchObject({ status: 404 });
  });
});
