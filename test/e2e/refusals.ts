import { expect, it } from '@jest/globals';
import type { RequestOptions, Service } from '#testing';
import { expectProblem } from './support.js';

/** A request that must be refused, and how: a row of a table. */
export interface Refusal extends RequestOptions {
  given: string;
  /** `POST /v1/users`; `:id` stands for a living user's id. */
  to: string;
  status: number;
  code: string;
  /** The one field that the answer names. */
  field?: string;
  /** Sent with the operator's key instead of the platform's. */
  asRoot?: boolean;
}

/** What most rows share: 400 `invalid_input`. */
export const invalid = (
  given: string,
  to: string,
  rest: RequestOptions & { field: string; asRoot?: boolean },
): Refusal => ({ given, to, status: 400, code: 'invalid_input', ...rest });

/** One test a row, each followed by a look whether the service is still well. */
export function itRefuses(
  rows: readonly Refusal[],
  living: () => { service: Service; userId: string },
): void {
  it.each(rows)('given $given, when $to, then $status $code $field', async (row) => {
    const { given: _, to, status, code, field, asRoot, ...request } = row;
    const { service, userId } = living();
    const [method = '', path = ''] = to.split(' ');
    const as = asRoot ? { key: service.rootKey } : {};
    const answer = await service.request(method, path.replace(':id', userId), { ...as, ...request });
    expectProblem(answer, { status, code, field });
  });

  it('given all these, then the service is ready and has logged no failure', async () => {
    const { service, userId } = living();
    expect((await service.request('GET', '/health/ready')).body).toMatchObject({ status: 'up' });
    expect((await service.request('GET', `/v1/users/${userId}`)).status).toBe(200);
    expect(service.logs()).not.toMatch(/"failure"|"level":"(error|fatal)"|Unhandled/i);
  });
}
