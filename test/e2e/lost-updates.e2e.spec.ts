import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import { createUser, expectProblem, expectStatus, inParallel, numbers, start, type User } from './support.js';

const WRITERS = 100;

describe('many writers of one user', () => {
  let service: Service;
  beforeAll(async () => {
    service = await start();
  });

  const patch = (id: string, body: object, revision: number) =>
    service.request<User>('PATCH', `/v1/users/${id}`, { body, headers: { 'if-match': `"${revision}"` } });

  it('given 100 patches at once with the same If-Match, then one succeeds and 99 answer 412', async () => {
    const { id } = await createUser(service, { label: 'none' });
    const answers = await Promise.all(numbers(WRITERS).map((writer) => patch(id, { label: `${writer}` }, 0)));
    const [won, ...more] = answers.filter(({ status }) => status === 200);
    expect(more).toEqual([]);
    for (const answer of answers.filter((each) => each !== won)) {
      expectProblem(answer, { status: 412, code: 'revision_mismatch' });
    }
    const { body } = await service.request<User>('GET', `/v1/users/${id}`);
    expect(body).toEqual(won?.body);
    expect(body.revision).toBe(1);
  });

  it('given 100 changes by writers that try again on 412, then no change is lost', async () => {
    const { id } = await createUser(service, { metadata: { seen: [] } });
    const revisions = await inParallel(numbers(WRITERS), 12, async (writer) => {
      for (;;) {
        const { body, headers } = await service.request<User>('GET', `/v1/users/${id}`);
        expect(headers.get('etag')).toBe(`"${body.revision}"`);
        const seen = [...(body.metadata.seen as number[]), writer];
        const answer = await patch(id, { metadata: { seen } }, body.revision);
        if (answer.status === 200) {
          expect(answer.body).toMatchObject({ revision: body.revision + 1, metadata: { seen } });
          return answer.body.revision;
        }
        expectProblem(answer, { status: 412, code: 'revision_mismatch' });
      }
    });
    expect(new Set(revisions).size).toBe(WRITERS);
    const { body } = expectStatus(await service.request<User>('GET', `/v1/users/${id}`), 200);
    expect(body.revision).toBe(WRITERS);
    expect([...(body.metadata.seen as number[])].sort((a, b) => a - b)).toEqual(numbers(WRITERS));
  });
});
