// The budgets service in one process with stand-ins for what others know, for specs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Global, Module } from '@nestjs/common';
import { Ctx, EventPattern } from '@nestjs/microservices';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { BudgetsModule, budgetsConsumer } from '#budgets';
import { MESSAGE_TYPES, type Message, TOPICS } from '#contracts';
import { newId } from '#kernel';
import type { MessageBus, MessageContext } from '#message-bus';
import {
  AccountKitDirectory,
  createApiKey,
  createApp,
  type KitTerms,
  type KnownUser,
  loadSettings,
  MESSAGE_BUS,
  type PlatformAccess,
  PlatformKeys,
  PlatformModule,
  startFollowing,
  UserDirectory,
} from '#platform';

const LISTENER = Symbol('listener');

/** What the services beside this one know, and what they were told; one for each spec file. */
export const world = {
  platformId: newId(),
  tenantId: newId(),
  defaultUserId: newId(),
  accountKitId: newId(),
  users: new Map<string, KnownUser>(),
  rateLimits: {} as KitTerms['rateLimits'],
  confirmations: [] as Message<object>[],
};

/** Time as the specs set it. */
export const clock = { time: new Date('2028-02-29T12:00:00.000Z'), now: () => clock.time };

class Directory extends UserDirectory {
  async find(tenant: string, userId: string): Promise<KnownUser | undefined> {
    return tenant === world.tenantId ? world.users.get(userId) : undefined;
  }
}

class Keys extends PlatformKeys {
  async resolve(): Promise<PlatformAccess> {
    const { platformId, accountKitId: defaultAccountKitId } = world;
    const tenant = { id: world.tenantId, defaultUserId: world.defaultUserId };
    const scopes = ['budgets:read', 'budgets:write'] as const;
    const defaults = { onlyTenantId: null, defaultAccountKitId, defaultRole: 'member' };
    return { keyId: newId(), platformId, scopes, expiresAt: null, tenant, ...defaults };
  }
}

class Kits extends AccountKitDirectory {
  async find(platformId: string, accountKitId: string): Promise<KitTerms | undefined> {
    if (platformId !== world.platformId || accountKitId !== world.accountKitId) return undefined;
    return { keyScopes: null, rateLimits: world.rateLimits, allowedProviders: null };
  }
}

@Controller()
class CascadeListener {
  @EventPattern<string>(MESSAGE_TYPES.participantConfirmed, LISTENER)
  async onConfirmed(@Ctx() { message }: MessageContext): Promise<void> {
    world.confirmations.push(message);
  }
}

@Global()
@Module({
  controllers: [CascadeListener],
  providers: [
    { provide: UserDirectory, useClass: Directory },
    { provide: PlatformKeys, useClass: Keys },
    { provide: AccountKitDirectory, useClass: Kits },
  ],
  exports: [UserDirectory, PlatformKeys, AccountKitDirectory],
})
class TenantUsersStandIn {}

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';

/** The service, wired and following its log and bus. */
export class BudgetsApp {
  private constructor(
    readonly app: NestFastifyApplication,
    readonly folder: string,
  ) {}

  /** On what another left in the folder, where it is given. */
  static async start(folder = mkdtempSync(join(tmpdir(), 'tenantry-budgets-'))): Promise<BudgetsApp> {
    const settings = loadSettings({ TENANTRY_DATA_DIR: folder, LOG_LEVEL: 'silent' });
    class App {}
    const imports = [PlatformModule.forRoot(settings, clock), TenantUsersStandIn, BudgetsModule];
    const listener = { group: 'listener', topics: [TOPICS.cascade], transportId: LISTENER };
    const app = await createApp({ module: App, imports }, [budgetsConsumer, listener]);
    await startFollowing(app);
    addUser({}, world.defaultUserId);
    return new BudgetsApp(app, folder);
  }

  async close(): Promise<void> {
    await this.app.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** `path` begins with the user's id. */
  async call(method: Method, path: string, payload?: object) {
    const headers = { authorization: `Bearer ${createApiKey('plat')}` };
    const url = `/v1/users/${path}`;
    const answer = await this.app.inject({ method, url, headers, ...(payload && { payload }) });
    const body = answer.body === '' ? undefined : answer.json();
    return { status: answer.statusCode, body, position: answer.headers['tenantry-position'] };
  }

  /** What the message bus tells of a user. */
  async tell(type: string, userId: string, data: object = {}): Promise<void> {
    const [id, time] = [newId(), world.users.get(userId)?.createdAt ?? clock.now().toISOString()];
    const { platformId: platform_id, tenantId: tenant_id } = world;
    const message = {
      id,
      type,
      source: '/tenantry/tenant-users',
      subject: userId,
      time,
      correlationId: id,
      causationId: id,
      data: { platform_id, tenant_id, user_id: userId, revision: 1, ...data },
    };
    await this.app.get<MessageBus>(MESSAGE_BUS).publish(TOPICS.lifecycle, [message]);
  }

  /** Tells of the deletion and answers what this service confirms. */
  async deleteUser(userId: string): Promise<Message<object>> {
    const seen = world.confirmations.length;
    await this.tell(MESSAGE_TYPES.userDeleted, userId);
    return until(() => world.confirmations.slice(seen).find(({ subject }) => subject === userId));
  }
}

/** A user that the directory knows from now on. */
export function addUser(known: Partial<KnownUser> = {}, id = newId()): string {
  const { accountKitId } = world;
  const createdAt = clock.now().toISOString();
  world.users.set(id, { status: 'active', accountKitId, createdAt, openingBudget: null, ...known });
  return id;
}

export async function until<Value>(
  find: () => Value | undefined | Promise<Value | undefined>,
): Promise<Value> {
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    await sleep(5);
  }
}
