import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Global, Module } from '@nestjs/common';
import { Ctx, EventPattern } from '@nestjs/microservices';
import { ConnectionsModule, connectionsConsumer } from '#connections';
import { MESSAGE_TYPES, type Message, type ParticipantConfirmed, TOPICS, type UserDeleted } from '#contracts';
import type { EventStore } from '#event-store';
import { type Clock, newId, type RecordedEvent } from '#kernel';
import type { MessageBus, MessageContext } from '#message-bus';
import {
  AccountKitDirectory,
  createApiKey,
  createApp,
  EVENT_STORE,
  hashApiKey,
  type KitTerms,
  type KnownUser,
  listen,
  loadSettings,
  MESSAGE_BUS,
  type PlatformAccess,
  PlatformKeys,
  PlatformModule,
  ReadModels,
  startFollowing,
  UserDirectory,
} from '#platform';

const COLLECTOR = Symbol('collector');

export interface Answer {
  status: number;
  json: ReturnType<typeof JSON.parse>;
  headers: Headers;
}

/** The connections service alone, on real HTTP, with what it asks of others under the tests' control. */
export class ConnectionsApp {
  readonly platformId = newId();
  readonly tenantId = newId();
  readonly users = new Map<string, { tenantId: string; status: KnownUser['status'] }>();
  readonly confirmed: Message<ParticipantConfirmed>[] = [];
  allowedProviders: string[] | null = null;
  /** Added to the real time. */
  aheadMs = 0;
  url = '';
  folder = '';
  key = '';
  private readonly accesses = new Map<string, PlatformAccess>();
  private app: Awaited<ReturnType<typeof createApp>> | undefined;

  static async start(env: NodeJS.ProcessEnv = {}): Promise<ConnectionsApp> {
    const made = new ConnectionsApp();
    await made.open(env);
    return made;
  }

  get callbackUrl(): string {
    return `${this.url}/v1/connections/callback`;
  }

  get store(): EventStore {
    return this.running.get<EventStore>(EVENT_STORE);
  }

  get readModels(): ReadModels {
    return this.running.get(ReadModels);
  }

  get<Part>(token: symbol | (abstract new (...args: never[]) => Part)): Part {
    return this.running.get<Part>(token);
  }

  makeKey(
    scopes: PlatformAccess['scopes'],
    changes: { tenantId?: string; platformId?: string; only?: boolean } = {},
  ): string {
    const { tenantId = this.tenantId, platformId = this.platformId, only = false } = changes;
    const key = createApiKey('plat');
    this.accesses.set(hashApiKey(key), {
      keyId: newId(),
      platformId,
      scopes,
      expiresAt: null,
      onlyTenantId: only ? tenantId : null,
      tenant: { id: tenantId, defaultUserId: newId() },
      defaultAccountKitId: newId(),
    });
    return key;
  }

  makeUser(status: KnownUser['status'] = 'active'): string {
    const id = newId();
    this.users.set(id, { tenantId: this.tenantId, status });
    return id;
  }

  async call(
    method: string,
    path: string,
    { body, key = this.key, headers = {} }: { body?: object; key?: string; headers?: object } = {},
  ): Promise<Answer> {
    const answer = await fetch(`${this.url}/v1${path}`, {
      method,
      redirect: 'manual',
      headers: {
        authorization: `Bearer ${key}`,
        ...(body && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, json: text === '' ? {} : JSON.parse(text), headers: answer.headers };
  }

  async events(stream: string): Promise<RecordedEvent[]> {
    return this.store.read(stream);
  }

  /** Announces the deletion of the user, without waiting for what comes of it. */
  async announceDeletion(userId: string): Promise<void> {
    const message: Message<UserDeleted> = {
      id: newId(),
      type: MESSAGE_TYPES.userDeleted,
      source: '/tenantry/tenant-users',
      subject: userId,
      time: new Date().toISOString(),
      correlationId: newId(),
      causationId: newId(),
      data: { platform_id: this.platformId, tenant_id: this.tenantId, user_id: userId, revision: 1 },
    };
    await this.get<MessageBus>(MESSAGE_BUS).publish(TOPICS.lifecycle, [message]);
  }

  /** Answers what each participant let go of. */
  async deleteUser(userId: string): Promise<Record<string, object>> {
    await this.announceDeletion(userId);
    return this.removedOf(userId);
  }

  async removedOf(userId: string): Promise<Record<string, object>> {
    const mine = () => this.confirmed.filter(({ subject }) => subject === userId);
    for (let waitedMs = 0; mine().length < 2; waitedMs += 5) {
      if (waitedMs > 30_000) throw new Error('waited in vain for the participants');
      await sleep(5);
    }
    return Object.fromEntries(mine().map(({ data }) => [data.participant, data.removed]));
  }

  async close(): Promise<void> {
    await this.app?.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  private get running() {
    if (!this.app) throw new Error('the service is not running');
    return this.app;
  }

  private async open(env: NodeJS.ProcessEnv): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'tenantry-connections-'));
    this.key = this.makeKey(['admin']);
    const settings = loadSettings({
      TENANTRY_DATA_DIR: this.folder,
      LOG_LEVEL: 'silent',
      TENANTRY_PROVIDER_TIMEOUT_MS: '2000',
      ...env,
    });
    settings.port = 0;
    const clock: Clock = { now: () => new Date(Date.now() + this.aheadMs) };
    const module = {
      module: this.surroundings(),
      imports: [PlatformModule.forRoot(settings, clock), ConnectionsModule],
    };
    const collector = { group: 'collector', topics: [TOPICS.cascade], transportId: COLLECTOR };
    this.app = await createApp(module, [connectionsConsumer, collector]);
    await startFollowing(this.app);
    this.url = await listen(this.app, settings);
  }

  private surroundings() {
    const { accesses, users, confirmed } = this;
    const kit = (): KitTerms => ({
      keyScopes: null,
      rateLimits: {},
      allowedProviders: this.allowedProviders,
    });

    @Controller()
    class Collector {
      @EventPattern<string>(MESSAGE_TYPES.participantConfirmed, COLLECTOR)
      collect(@Ctx() { message }: MessageContext): void {
        confirmed.push(message as Message<ParticipantConfirmed>);
      }
    }

    const keys = { resolve: async (hash: string) => accesses.get(hash) ?? ('unknown' as const) };
    class KnownUsers extends UserDirectory {
      async find(tenantId: string, userId: string): Promise<KnownUser | undefined> {
        const user = users.get(userId);
        if (user?.tenantId !== tenantId) return undefined;
        const createdAt = '2026-01-01T00:00:00.000Z';
        return { status: user.status, accountKitId: newId(), createdAt, openingBudget: null };
      }
    }

    @Global()
    @Module({
      controllers: [Collector],
      providers: [
        { provide: PlatformKeys, useValue: keys },
        { provide: UserDirectory, useClass: KnownUsers },
        { provide: AccountKitDirectory, useValue: { find: async () => kit() } },
      ],
      exports: [PlatformKeys, UserDirectory, AccountKitDirectory],
    })
    class Surroundings {}
    return Surroundings;
  }
}
