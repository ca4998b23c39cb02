import { describe, expect, it } from '@jest/globals';
import {
  completedDeletion,
  createEquippedUser,
  createUser,
  expectStatus,
  issueKey,
  start,
} from './support.js';

describe('DELETE /v1/users/{id}?dry_run=true', () => {
  it('tells what the receipt tells after the deletion, and changes nothing', async () => {
    const service = await start();
    const preview = (id: string) =>
      service.request<{ would_remove: object }>('DELETE', `/v1/users/${id}?dry_run=true`);
    const { id } = await createEquippedUser(service);
    const revoked = await issueKey(service, id);
    await service.request('DELETE', `/v1/users/${id}/keys/${revoked.id}`);
    await issueKey(service, id);
    const { body } = expectStatus(await preview(id), 200);
    expect(body).toEqual({ would_remove: { keys: 2, budgets: 1, connections: 0, secrets: 1 } });
    expect((await preview(id)).body).toEqual(body);
    expectStatus(await service.request('GET', `/v1/users/${id}/budget`), 200);
    expectStatus(await service.request('DELETE', `/v1/users/${id}`), 202);
    const { participants } = await completedDeletion(service, id);
    expect(Object.assign({}, ...participants.map(({ removed }) => removed))).toEqual(body.would_remove);
    expectStatus(await preview(id), 404);

    const bare = await createUser(service);
    expect((await preview(bare.id)).body).toEqual({
      would_remove: { keys: 0, budgets: 0, connections: 0, secrets: 0 },
    });
  });
});
