import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MESSAGE_TYPES, type Message } from '#contracts';
import { unavailable } from '#kernel';
import { SqliteReadDatabase } from '#projections';
import { CopiedAccountKits, CopiedPlatformKeys, CopiedUsers } from './copied-directories.js';
import { Copies } from './copies.js';
import type { CopyKind } from './copy.js';
import type { TenantUsersClient } from './tenant-users-client.js';

const id = (number: number): string => `01943a3e-0000-7000-8000-${String(number).padStart(12, '0')}`;
const [platform_id, tenant_id, user_id, kit_id, key_id] = [id(1), id(2), id(3), id(4), id(5)];
const key_hash = 'ab'.repeat(32);
const AT = '2026-11-21T10:00:00.000Z';

const say = (type: string, subject: string, data: object): Message<object> => ({
  id: id(99),
  type,
  source: '/tenantry/tenant-users',
  subject,
  time: AT,
  correlationId: id(98),
  causationId: id(97),
  data,
});

const platform = say(MESSAGE_TYPES.platformCreated, platform_id, {
  platform_id,
  default_tenant_id: tenant_id,
  default_account_kit_id: kit_id,
});
const tenant = say(MESSAGE_TYPES.tenantCreated, tenant_id, {
  platform_id,
  tenant_id,
  default_user_id: id(6),
});
const tenantDeleted = say(MESSAGE_TYPES.tenantDeleted, tenant_id, { platform_id, tenant_id });
const key = say(MESSAGE_TYPES.platformKeyIssued, key_id, {
  platform_id,
  key_id,
  key_hash,
  scopes: ['users:read'],
  tenant_id: null,
  expires_at: null,
});
const keyRevoked = say(MESSAGE_TYPES.platformKeyRevoked, key_id, { platform_id, key_id });
const user = say(MESSAGE_TYPES.userCreated, user_id, {
  platform_id,
  tenant_id,
  user_id,
  account_kit_id: kit_id,
  status: 'active',
  is_default: false,
  opening_budget: null,
  revision: 0,
});
const userSet = (status: string, revision: number) =>
  say(MESSAGE_TYPES.userUpdated, user_id, {
    platform_id,
    tenant_id,
    user_id,
    account_kit_id: kit_id,
    status,
    revision,
    changed: ['status'],
  });
const userDeleted = say(MESSAGE_TYPES.userDeleted, user_id, { platform_id, tenant_id, user_id, revision: 9 });
const kit = say(MESSAGE_TYPES.accountKitCreated, kit_id, {
  platform_id,
  account_kit_id: kit_id,
  revision: 0,
  terms: { key_scopes: ['chat'], rate_limits: {}, allowed_providers: null },
});
const kitSet = (revision: number, terms: object) =>
  say(MESSAGE_TYPES.accountKitUpdated, kit_id, { platform_id, account_kit_id: kit_id, revision, terms });

/** The other service: what it would say, whether it answers, and what it was asked. */
class Source {
  said: Message<object>[] = [];
  isUp = true;
  gate: Promise<void> | undefined;
  readonly asked: string[] = [];

  async messages(kind: CopyKind, wanted: string): Promise<Message<object>[]> {
    this.asked.push(`${kind}:${wanted}`);
    await this.gate;
    if (!this.isUp) throw unavailable('down');
    const subject = kind === 'platform_key_hash' && wanted === key_hash ? key_id : wanted;
    return this.said.filter((message) => message.subject === subject);
  }
}

const folders: string[] = [];
const databases: SqliteReadDatabase[] = [];

afterEach(async () => {
  await Promise.all(databases.splice(0).map((database) => database.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function service({ folder = '', said = [] as Message<object>[] } = {}) {
  const place = folder || mkdtempSync(join(tmpdir(), 'tenantry-copies-'));
  folders.push(place);
  const database = SqliteReadDatabase.open(join(place, 'requests.db'), { durable: true });
  databases.push(database);
  const source = new Source();
  source.said = said;
  const copies = new Copies(database, source as unknown as TenantUsersClient);
  await copies.onModuleInit();
  const keys = new CopiedPlatformKeys(copies);
  const users = new CopiedUsers(copies);
  return { folder: place, source, copies, keys, users, kits: new CopiedAccountKits(copies) };
}

const EVERYTHING = [platform, tenant, key, user, kit];

describe('the copies of what the tenant-users service owns', () => {
  it('given what the bus told, then keys, users and kits are known without asking', async () => {
    const { copies, keys, users, kits, source } = await service();
    await copies.take(EVERYTHING);
    expect(await keys.resolve(key_hash, undefined)).toEqual({
      keyId: key_id,
      platformId: platform_id,
      scopes: ['users:read'],
      expiresAt: null,
      onlyTenantId: null,
      tenant: { id: tenant_id, defaultUserId: id(6) },
      defaultAccountKitId: kit_id,
    });
    expect(await users.find(tenant_id, user_id)).toEqual({
      status: 'active',
      accountKitId: kit_id,
      createdAt: AT,
      openingBudget: null,
    });
    expect(await kits.find(platform_id, kit_id)).toEqual({
      keyScopes: ['chat'],
      rateLimits: {},
      allowedProviders: null,
    });
    expect(source.asked).toEqual([]);
  });

  it('given a foreign tenant or platform, then a known user or kit is none', async () => {
    const { copies, users, kits, keys } = await service();
    await copies.take(EVERYTHING);
    expect(await users.find(id(7), user_id)).toBeUndefined();
    expect(await kits.find(id(7), kit_id)).toBeUndefined();
    expect(await keys.resolve(key_hash, id(7))).toBe('no_tenant');
  });

  it('given things that the bus has not told yet, when many ask at once, then each is asked for once', async () => {
    const { keys, users, source } = await service({ said: EVERYTHING });
    const found = await Promise.all([1, 2, 3].map(() => users.find(tenant_id, user_id)));
    expect(found.map((one) => one?.status)).toEqual(['active', 'active', 'active']);
    expect(await keys.resolve(key_hash, undefined)).toMatchObject({ keyId: key_id });
    expect(source.asked.sort()).toEqual([
      `platform:${platform_id}`,
      `platform_key_hash:${key_hash}`,
      `tenant:${tenant_id}`,
      `user:${user_id}`,
    ]);
  });

  it('given a key that nobody knows, when it comes again and again, then it is asked for once', async () => {
    const { keys, source } = await service();
    for (const _ of [1, 2, 3]) expect(await keys.resolve('00'.repeat(32), undefined)).toBe('unknown');
    expect(source.asked).toHaveLength(1);
  });

  it('given keys that are made up faster than anyone can tell, then some are refused, and users are found', async () => {
    const { keys, users, copies, source } = await service({ said: EVERYTHING });
    await copies.take([platform, tenant, key]);
    const gate = Promise.withResolvers<void>();
    source.gate = gate.promise;
    const hashes = Array.from({ length: 1_001 }, (_, number) => number.toString(16).padStart(64, '0'));
    const asking = Promise.allSettled(hashes.map((hash) => keys.resolve(hash, undefined)));
    await expect(keys.resolve('f'.repeat(64), undefined)).rejects.toMatchObject({ code: 'unavailable' });
    const finding = users.find(tenant_id, user_id);
    gate.resolve();
    expect(await finding).toMatchObject({ status: 'active' });
    const outcomes = (await asking).map(({ status }) => status);
    expect(outcomes.filter((status) => status === 'rejected')).toHaveLength(1);
    expect(await keys.resolve('f'.repeat(64), undefined)).toBe('unknown');
  });

  it('given a user that was unknown, when it is created, then the next look finds it', async () => {
    const { users, source } = await service({ said: [tenant] });
    expect(await users.find(tenant_id, user_id)).toBeUndefined();
    source.said = EVERYTHING;
    expect(await users.find(tenant_id, user_id)).toMatchObject({ status: 'active' });
  });

  it('while the tenant-users service is away, then what is known stays known and the rest is unavailable', async () => {
    const { copies, users, source } = await service();
    await copies.take([tenant, user]);
    source.isUp = false;
    expect(await users.find(tenant_id, user_id)).toMatchObject({ status: 'active' });
    await expect(users.find(tenant_id, id(8))).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('while the copies are away, then the tenant-users service is asked each time', async () => {
    const { users, source } = await service({ said: EVERYTHING });
    await databases.at(-1)?.close();
    for (const _ of [1, 2]) expect(await users.find(tenant_id, user_id)).toMatchObject({ status: 'active' });
    expect(source.asked).toHaveLength(4);
    source.isUp = false;
    await expect(users.find(tenant_id, user_id)).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('given messages of what was taken away, then it is gone, also after a restart and late messages', async () => {
    const { folder, copies, keys, users } = await service();
    await copies.take(EVERYTHING);
    expect(await users.find(tenant_id, user_id)).toBeDefined();
    await copies.take([userDeleted, keyRevoked]);
    expect(await users.find(tenant_id, user_id)).toBeUndefined();
    expect(await keys.resolve(key_hash, undefined)).toBe('unknown');
    const again = await service({ folder, said: [] });
    await again.copies.take([...EVERYTHING, userSet('active', 4)]);
    expect(await again.users.find(tenant_id, user_id)).toBeUndefined();
    expect(await again.keys.resolve(key_hash, undefined)).toBe('unknown');
    expect(again.source.asked).toEqual([]);
  });

  it('given a deleted tenant, then its users are gone with it and no key acts in it', async () => {
    const { copies, users, keys } = await service();
    await copies.take([...EVERYTHING, tenantDeleted]);
    expect(await users.find(tenant_id, user_id)).toBeUndefined();
    expect(await keys.resolve(key_hash, undefined)).toBe('no_tenant');
  });

  it('given a change of a kit after one that was missed, then the kit is asked for anew', async () => {
    const said = [kit, kitSet(1, { key_scopes: null }), kitSet(2, { allowed_providers: ['github'] })];
    const { copies, kits, source } = await service({ said });
    await copies.take([kit]);
    await copies.take([kitSet(2, { allowed_providers: ['github'] })]);
    expect(await kits.find(platform_id, kit_id)).toMatchObject({
      keyScopes: null,
      allowedProviders: ['github'],
    });
    expect(source.asked).toEqual([`account_kit:${kit_id}`]);
  });

  it('given a life of a user told in any order, twice, with asks in between, then it ends as the life did', async () => {
    const statuses = ['suspended', 'active', 'inactive', 'archived'] as const;
    const lives = fc.record({
      changes: fc.array(fc.constantFrom(...statuses), { maxLength: 4 }),
      isDeleted: fc.boolean(),
      order: fc.array(fc.nat(), { minLength: 12, maxLength: 12 }),
      asks: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
    });
    await fc.assert(
      fc.asyncProperty(lives, async ({ changes, isDeleted, order, asks }) => {
        const updates = changes.map((status, index) => userSet(status, index + 1));
        const life = [user, ...updates, ...(isDeleted ? [userDeleted] : [])];
        const told = [...life, ...life]
          .map((message, index) => ({ message, place: order[index] ?? 0 }))
          .sort((one, other) => one.place - other.place);
        const { copies, users } = await service({ said: [tenant, ...life] });
        for (const [index, { message }] of told.entries()) {
          if (asks[index]) await users.find(tenant_id, user_id);
          await copies.take([message]);
        }
        const expected = isDeleted ? undefined : (changes.at(-1) ?? 'active');
        expect((await users.find(tenant_id, user_id))?.status).toBe(expected);
      }),
      { numRuns: 40 },
    );
  });
});
