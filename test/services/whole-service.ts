// The four services in one process, for specs.
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { BudgetsModule, budgetsConsumer } from '#budgets';
import { ConnectionsModule, connectionsConsumer } from '#connections';
import type { EventStore } from '#event-store';
import { type Clock, newId, streamName, systemClock, systemContext } from '#kernel';
import { KeysModule, keysConsumer } from '#keys';
import { EVENT_STORE } from '#platform';
import { TenantUsersModule, tenantUsersConsumer } from '#tenant-users';
import { openService, type ServiceApplication } from '../service-application.js';

const modules = [TenantUsersModule, KeysModule, BudgetsModule, ConnectionsModule];
const consumers = [tenantUsersConsumer, keysConsumer, budgetsConsumer, connectionsConsumer];

export interface WholeServiceOptions {
  folder?: string;
  env?: Record<string, string>;
  clock?: Clock;
  prepare?(app: NestFastifyApplication): void;
}

export const openWholeService = ({ folder, clock = systemClock, ...options }: WholeServiceOptions = {}) =>
  openService({ modules, consumers, clock, ...options }, folder);

/** Appends an event that no projection of the category can apply; answers its position. */
export async function poison({ app }: ServiceApplication, category: string): Promise<bigint> {
  const id = newId();
  const metadata = systemContext({ id, correlationId: id }, { platformId: null, tenantId: null }, 'test');
  const event = { id, type: 'poison.v1', at: new Date().toISOString(), data: {}, metadata };
  const store = app.get<EventStore>(EVENT_STORE);
  return (await store.append(streamName(category, id), 'no_stream', [event])).position;
}

/** What is read of each projection, and a category that it follows. */
export const PROJECTIONS = [
  { name: 'access', category: 'accountKit', reads: ['account-kits', 'tenants', 'platform-keys'] },
  { name: 'user-directory', category: 'tenantUser', reads: ['users', 'users/USER', 'users?q=a'] },
  { name: 'deletions', category: 'deletion', reads: ['users/USER/deletion'] },
  { name: 'key-registry', category: 'keyring', reads: ['users/USER/keys'] },
  {
    name: 'budgets',
    category: 'budget',
    reads: ['users/USER/budget', 'users/USER/budget/transactions', 'users/USER/rate-limits'],
  },
  { name: 'connections', category: 'connections', reads: ['users/USER/connections'] },
  { name: 'providers', category: 'provider', reads: ['providers'] },
  { name: 'secrets', category: 'vault', reads: ['users/USER/vault', 'users/USER/vault/token'] },
];

const PROVIDER = {
  kind: 'oauth2',
  authorize_url: 'https://example.com/authorize',
  token_url: 'https://example.com/token',
  client_id: 'client',
};

/** Requests with one platform key. */
export class Client {
  constructor(
    private readonly service: ServiceApplication,
    readonly key: string,
  ) {}

  static async ofNewPlatform(service: ServiceApplication): Promise<Client> {
    return new Client(service, (await service.newPlatform()).api_key.raw_key);
  }

  call(method: Parameters<ServiceApplication['call']>[0], path: string, body?: object, key = this.key) {
    return this.service.call(method, `/v1/${path}`, body, { key });
  }

  async verify(rawKey: string) {
    return (await this.call('POST', 'keys/verify', { key: rawKey })).body;
  }

  /** A user with a key, a budget, a secret and a connection. */
  async newUser() {
    const { body: user } = await this.call('POST', 'users', { label: 'Alice' });
    const path = `users/${user.id}`;
    const { body: issued } = await this.call('POST', `${path}/keys`, { scopes: ['chat'] });
    await this.call('PUT', `${path}/budget`, { limit_usd: '10.00', period: 'none' });
    await this.call('PUT', `${path}/vault/token`, { value: 'secret' });
    await this.call('PUT', 'providers/example', PROVIDER);
    await this.call('POST', `${path}/connections/connect`, { provider: 'example' });
    return { id: user.id as string, path, keyId: issued.id as string, rawKey: issued.raw_key as string };
  }
}
