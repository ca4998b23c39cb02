import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MESSAGE_TYPES, type Message } from '#contracts';
import type { AppLogger } from '../operations/logger.js';
import type { Settings } from '../settings.js';
import { OtherServices } from './other-services.js';

interface Call {
  method: string;
  path: string;
  key: string;
  body: { messages?: Message<object>[] };
}

/** Another service: what it was sent, and how it answers. */
class Other {
  readonly calls: Call[] = [];
  readonly answers = new Map<string, { status: number; body?: object }>();
  /** Holds back every answer while it stands. */
  gate: Promise<void> | undefined;
  readonly server: Server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const [method = '', path = ''] = [request.method, request.url];
    const key = String(request.headers.authorization);
    this.calls.push({ method, path, key, body: text ? JSON.parse(text) : {} });
    await this.gate;
    const { status, body } = this.answers.get(`${method} ${path}`) ?? { status: 404, body: {} };
    response.writeHead(status).end(body && JSON.stringify(body));
  });

  async listen(): Promise<string> {
    this.answers.set('POST /internal/messages', { status: 204 });
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get told(): string[][] {
    return this.calls.map(({ body }) => (body.messages ?? []).map(({ id }) => id));
  }
}

let keys: Other;
let budgets: Other;
let urls: string[];
const failures: unknown[] = [];
const logger = { failure: (error: unknown) => failures.push(error) } as unknown as AppLogger;
const services = (serviceUrls = urls) =>
  new OtherServices({ serviceUrls, rootKey: 'tnt_root_test' } as Settings, logger);

beforeEach(async () => {
  failures.length = 0;
  [keys, budgets] = [new Other(), new Other()];
  urls = [await keys.listen(), await budgets.listen()];
});
afterEach(() => {
  for (const { server } of [keys, budgets]) server.close().closeAllConnections();
});

const message = (id: string, type: string, data: object = {}): Message<object> => ({
  id,
  type,
  source: '/tenantry/tenant-users',
  subject: 'subject',
  time: '2026-11-21T10:00:00.000Z',
  correlationId: 'correlation',
  causationId: 'causation',
  data,
});
const deleted = (id: string) => message(id, MESSAGE_TYPES.userDeleted);
const USER = { platform_id: 'p', tenant_id: 't', user_id: 'u' };

describe('the other services, as the tenant-users service sees them', () => {
  it('given what takes something away, then each is told with the operator key before it resolves', async () => {
    await services().tell([deleted('1')]);
    for (const other of [keys, budgets]) {
      expect(other.told).toEqual([['1']]);
      expect(other.calls[0]).toMatchObject({ path: '/internal/messages', key: 'Bearer tnt_root_test' });
    }
  });

  it('given what only adds, or changes nothing that others heed, then nobody is told', async () => {
    const created = message('1', MESSAGE_TYPES.userCreated);
    const renamed = message('2', MESSAGE_TYPES.userUpdated, { changed: ['label'] });
    const suspended = message('3', MESSAGE_TYPES.userUpdated, { changed: ['label', 'status'] });
    await services().tell([created, renamed]);
    expect(keys.calls).toEqual([]);
    await services().tell([created, renamed, suspended]);
    expect(keys.told).toEqual([['3']]);
  });

  it('given one that is being told, then what comes meanwhile goes together, in order', async () => {
    const gate = Promise.withResolvers<void>();
    keys.gate = gate.promise;
    const others = services();
    const telling = ['1', '2', '3'].map((id) => others.tell([deleted(id)]));
    while (keys.calls.length === 0) await new Promise(setImmediate);
    gate.resolve();
    await Promise.all(telling);
    expect(keys.told.flat()).toEqual(['1', '2', '3']);
    expect(keys.calls.length).toBeLessThan(3);
  });

  it('given one that does not answer, then what is beyond what it can be told at once is left to the bus', async () => {
    const gate = Promise.withResolvers<void>();
    keys.gate = gate.promise;
    const others = services([urls[0] ?? '']);
    const first = others.tell([deleted('first')]);
    while (keys.calls.length === 0) await new Promise(setImmediate);
    const waiting = Array.from({ length: 400 }, (_, index) => others.tell([deleted(String(index))]));
    await others.tell([deleted('too much')]);
    expect(failures).toEqual([expect.objectContaining({ code: 'unavailable' })]);
    gate.resolve();
    await Promise.all([first, ...waiting]);
    expect(keys.told.map(({ length }) => length)).toEqual([1, 400]);
    expect(failures).toHaveLength(1);
  });

  it('given one that is away or refuses, then the others are told, and the failure is logged', async () => {
    budgets.answers.set('POST /internal/messages', { status: 500 });
    keys.server.close().closeAllConnections();
    await services().tell([deleted('1')]);
    expect(budgets.told).toEqual([['1']]);
    expect(failures).toHaveLength(2);
    budgets.answers.set('POST /internal/messages', { status: 204 });
    await services([urls[1] ?? '']).tell([deleted('2')]);
    expect(failures).toHaveLength(2);
  });

  it('given what each holds, then it is known for all, and unavailable where one does not tell', async () => {
    keys.answers.set('POST /internal/holdings', { status: 200, body: { keys: 2 } });
    budgets.answers.set('POST /internal/holdings', { status: 200, body: { budgets: 1 } });
    expect(await services().holdings(USER)).toEqual([{ keys: 2 }, { budgets: 1 }]);
    budgets.answers.set('POST /internal/holdings', { status: 503, body: {} });
    await expect(services().holdings(USER)).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('given a projection of one of them, then that one rebuilds it; a name that none has is not found', async () => {
    const path = 'POST /v1/projections/budgets/rebuild';
    budgets.answers.set(path, { status: 202, body: { name: 'budgets', state: 'running' } });
    expect(await services().ofProjection('POST', 'budgets', { verify: true })).toMatchObject({
      state: 'running',
    });
    expect(budgets.calls.at(-1)?.body).toEqual({ verify: true });
    await expect(services().ofProjection('GET', 'none')).rejects.toMatchObject({ kind: 'not_found' });
    budgets.answers.set(path, { status: 409, body: { detail: 'is being rebuilt' } });
    await expect(services().ofProjection('POST', 'budgets')).rejects.toMatchObject({
      kind: 'illegal_state',
      message: 'is being rebuilt',
    });
  });
});
