import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Global, Module } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import fc from 'fast-check';
import { MESSAGE_TYPES, TOPICS } from '#contracts';
import { Aggregates } from '#event-store';
import { type CommandContext, isTenantryError, newId, runRepeatably } from '#kernel';
import type { MessageBus } from '#message-bus';
import {
  AccountKitDirectory,
  createApp,
  type KnownUser,
  loadSettings,
  MESSAGE_BUS,
  PlatformKeys,
  PlatformModule,
  READ_DATABASE,
  ReadModels,
  startFollowing,
  UserDirectory,
} from '#platform';
import type { ReadDatabase } from '#projections';
import { type IssuedKey, IssueKey } from './commands/issue-key.js';
import { RevokeKey } from './commands/revoke-key.js';
import { RotateKey } from './commands/rotate-key.js';
import { keyring } from './domain/keyring.decide.js';
import { KeysModule, keysConsumer } from './index.js';
import { KeyUses } from './read-models/key-uses.js';
import { KeyVerification } from './read-models/key-verification.js';
import { Keys } from './read-models/keys.js';
import type { KeyTables } from './read-models/tables.js';

const START = Date.parse('2026-01-15T10:00:00Z');
const clock = { time: START, now: () => new Date(clock.time) };
const at = (time: number) => new Date(time).toISOString();

const platformId = newId();
const tenantId = newId();
const verifier = { platformId, onlyTenantId: null };
const context: CommandContext = {
  platformId,
  tenantId,
  actor: { type: 'platform_key', id: newId() },
  correlationId: newId(),
  causationId: newId(),
};

const SECOND = 1_000;
const DAY = 86_400 * SECOND;

/** A key as the model has it; times in ms. */
interface ModelKey {
  id: string;
  rawKey: string;
  expires: number;
  ends: number;
  revoked: boolean;
}

type Step =
  | { kind: 'issue'; expiresInSeconds: number | null }
  | { kind: 'rotate'; key: number; graceSeconds: number }
  | { kind: 'revoke'; key: number }
  | { kind: 'clock'; seconds: number }
  | { kind: 'close' };

const aKey = fc.nat({ max: 15 });
const aFewSeconds = fc.integer({ min: -2, max: 12 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 20,
      arbitrary: fc.record({ kind: fc.constant('issue'), expiresInSeconds: fc.option(aFewSeconds) }),
    },
    {
      weight: 20,
      arbitrary: fc.record({
        kind: fc.constant('rotate'),
        key: aKey,
        graceSeconds: fc.oneof(fc.constant(0), fc.nat({ max: 12 })),
      }),
    },
    { weight: 10, arbitrary: fc.record({ kind: fc.constant('revoke'), key: aKey }) },
    {
      weight: 25,
      arbitrary: fc.record({
        kind: fc.constant('clock'),
        seconds: fc.oneof(
          aFewSeconds,
          fc.integer({ min: -10, max: -1 }),
          fc.integer({ min: -86_400, max: 200_000 }),
        ),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'close' }) },
  ) as fc.Arbitrary<Step>,
  { minLength: 5, maxLength: 40 },
);

/** Keys as plain numbers: what must come of each step, and what each key is at any time. */
class Model {
  readonly keys: ModelKey[] = [];
  closed = false;
  private furthest = START;

  /** The clock is set back by a day at most. */
  move(seconds: number): void {
    clock.time = Math.max(clock.time + seconds * SECOND, this.furthest - DAY);
    this.furthest = Math.max(this.furthest, clock.time);
  }

  status(key: ModelKey): 'active' | 'revoked' | 'expired' {
    if (this.closed || key.revoked) return 'revoked';
    if (Math.min(key.expires, key.ends) > clock.time) return 'active';
    return key.expires <= key.ends ? 'expired' : 'revoked';
  }

  outcome(step: Step): string {
    if (this.closed) return 'not_found';
    if (step.kind === 'issue') return (step.expiresInSeconds ?? 1) > 0 ? 'done' : 'invalid_input';
    if (step.kind !== 'rotate' && step.kind !== 'revoke') return 'done';
    const key = this.keys[step.key];
    if (!key) return 'not_found';
    if (step.kind === 'revoke') return 'done';
    return this.status(key) === 'active' && key.ends === Infinity ? 'done' : 'illegal_state';
  }

  apply(step: Step, issued: IssuedKey | undefined): void {
    if (step.kind === 'close') this.closed = true;
    if (step.kind === 'clock') this.move(step.seconds);
    const key = 'key' in step ? this.keys[step.key] : undefined;
    if (step.kind === 'revoke' && key && this.status(key) === 'active') key.revoked = true;
    if (step.kind === 'rotate' && key) {
      key.ends = clock.time + step.graceSeconds * SECOND;
      key.revoked = step.graceSeconds === 0;
    }
    if (!issued) return;
    const { id, rawKey, expiresAt } = issued;
    const expires = expiresAt === null ? Infinity : Date.parse(expiresAt);
    if (step.kind === 'rotate') expect(expires).toBe(key?.expires);
    this.keys.push({ id, rawKey, expires, ends: Infinity, revoked: false });
  }

  listed(): object[] {
    if (this.closed) return [];
    return this.keys.toReversed().map((key) => {
      const end = Math.min(key.expires, key.ends);
      return { id: key.id, status: this.status(key), expires_at: end === Infinity ? null : at(end) };
    });
  }
}

/** Everyone is there and active, so that the keyring alone refuses what it must. */
class Everyone extends UserDirectory {
  async find(): Promise<KnownUser> {
    return { status: 'active', accountKitId: newId(), createdAt: at(START), openingBudget: null };
  }
}

@Global()
@Module({
  providers: [
    { provide: PlatformKeys, useValue: {} },
    { provide: UserDirectory, useClass: Everyone },
    { provide: AccountKitDirectory, useValue: { find: async () => undefined } },
  ],
  exports: [PlatformKeys, UserDirectory, AccountKitDirectory],
})
class NeighboursModule {}

describe('the lives of keys', () => {
  let dataDir: string;
  let app: NestFastifyApplication;

  const start = async () => {
    const settings = loadSettings({ TENANTRY_DATA_DIR: dataDir, LOG_LEVEL: 'silent' });
    class TestModule {}
    const imports = [PlatformModule.forRoot(settings, clock), NeighboursModule, KeysModule];
    app = await createApp({ module: TestModule, imports }, [keysConsumer]);
    await startFollowing(app);
  };
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'tenantry-key-lives-'));
    await start();
  });
  afterEach(() => {
    clock.time = START;
  });
  afterAll(async () => {
    await app?.close();
    await rm(dataDir, { recursive: true });
  });

  const issue = (userId: string, expiresAt: string | null = null): Promise<IssuedKey> => {
    const key = { platformId, tenantId, userId, name: 'Key', scopes: [], expiresAt };
    return app.get(CommandBus).execute(new IssueKey(key, context));
  };
  const rotate = (userId: string, keyId: string, graceSeconds = 0): Promise<IssuedKey> =>
    app.get(CommandBus).execute(new RotateKey({ tenantId, userId, keyId, graceSeconds }, context));
  const revoke = (userId: string, keyId: string): Promise<bigint> =>
    app.get(CommandBus).execute(new RevokeKey({ tenantId, userId, keyId }, context));
  const settled = () => app.get(ReadModels).catchUp(10_000);
  const verify = (rawKey: string) => app.get(KeyVerification).verify(verifier, rawKey, undefined);
  const list = (userId: string) => app.get(Keys).list({ tenantId, userId }, { limit: 100 });
  const sayDeleted = (userId: string) =>
    app.get<MessageBus>(MESSAGE_BUS).publish(TOPICS.lifecycle, [
      {
        id: newId(),
        type: MESSAGE_TYPES.userDeleted,
        source: '/tenantry/tenant-users',
        subject: userId,
        time: at(clock.time),
        correlationId: newId(),
        causationId: newId(),
        data: { platform_id: platformId, tenant_id: tenantId, user_id: userId, revision: 1 },
      },
    ]);
  const closed = async (userId: string) => {
    while ((await app.get(Aggregates).load(keyring, userId)).state.lifecycle !== 'closed') await nextTurn();
  };
  const storedUses = (userId: string) =>
    app
      .get<ReadDatabase>(READ_DATABASE)
      .of('key-uses')
      .reader<KeyTables>()
      .selectFrom('key_uses')
      .select(['key_id', 'last_used_at'])
      .where('user_id', '=', userId)
      .orderBy('key_id')
      .execute();

  it('given keys that were used, then lists tell when, at once and after a rebuild and a restart', async () => {
    const userId = newId();
    const [used, unused] = [await issue(userId), await issue(userId)];
    await settled();
    for (const _ of ['first', 'last']) {
      clock.time += 1_000;
      await verify(used.rawKey);
    }
    const last = at(clock.time);
    clock.time -= 500;
    await verify(used.rawKey);
    const shown = async () => (await list(userId)).data.map(({ id, last_used_at }) => [id, last_used_at]);
    const expected = [
      [unused.id, null],
      [used.id, last],
    ];
    expect(await storedUses(userId)).toEqual([]);
    expect(await shown()).toEqual(expected);
    await app.get(KeyUses).flush();
    expect(await storedUses(userId)).toEqual([{ key_id: used.id, last_used_at: last }]);
    expect(await shown()).toEqual(expected);
    await app.get(ReadModels).rebuild('key-registry', true);
    while (app.get(ReadModels).rebuildStatus('key-registry').state === 'running') await nextTurn();
    expect(app.get(ReadModels).rebuildStatus('key-registry')).toMatchObject({ state: 'completed' });
    expect(await shown()).toEqual(expected);
    clock.time += 10_000;
    await verify(unused.rawKey);
    const latest = at(clock.time);
    await app.close();
    await start();
    expect(await shown()).toEqual([
      [unused.id, latest],
      [used.id, last],
    ]);
  });

  it('given a repeated request, then the key it answers is as it was made, whatever the time is by now', async () => {
    const userId = newId();
    const again = async (commandOf: (by: CommandContext) => IssueKey | RotateKey) => {
      const id = newId();
      const draw = (length: number) => createHash('shake256', { outputLength: length }).update(id).digest();
      const run = (resumed: boolean) =>
        runRepeatably({ id, startedAt: START, positionAtBegin: 0n, resumed, draw }, () =>
          app.get(CommandBus).execute(commandOf({ ...context, causationId: id })),
        );
      const first = await run(false);
      clock.time += 5_000;
      expect(await run(true)).toEqual(first);
      return first;
    };
    const wanted = { platformId, tenantId, userId, name: 'Mine', scopes: ['a'], expiresAt: null };
    const { id: keyId, issuedAt } = await again((by) => new IssueKey(wanted, by));
    expect(issuedAt).toBe(at(START));
    const rotation = { tenantId, userId, keyId, graceSeconds: 60 };
    const rotated = await again((by) => new RotateKey(rotation, by));
    expect(rotated).toMatchObject({ name: 'Mine', scopes: ['a'], issuedAt: at(START + 5_000) });
  });

  it('given a key that was used, then it is stored without more ado', async () => {
    const userId = newId();
    const key = await issue(userId);
    await settled();
    await verify(key.rawKey);
    while ((await storedUses(userId)).length === 0) await sleep(50);
    expect(await storedUses(userId)).toEqual([{ key_id: key.id, last_used_at: at(START) }]);
  });

  it('given a later use is stored, when an earlier one comes to be stored, then the later one stays', async () => {
    const userId = newId();
    const key = await issue(userId);
    await settled();
    await verify(key.rawKey);
    await app.get(KeyUses).flush();
    clock.time -= 60_000;
    await verify(key.rawKey);
    await app.get(KeyUses).flush();
    expect(await storedUses(userId)).toEqual([{ key_id: key.id, last_used_at: at(START) }]);
  });

  it('given a refused key, when it is verified, then that is no use', async () => {
    const userId = newId();
    const key = await issue(userId);
    await revoke(userId, key.id);
    await settled();
    await verify(key.rawKey);
    expect((await list(userId)).data[0]?.last_used_at).toBeNull();
  });

  it('given a deleted user, then nothing of the uses is left, and none comes late', async () => {
    const userId = newId();
    const keys = [await issue(userId), await issue(userId)];
    await settled();
    await verify(keys[0]?.rawKey ?? '');
    await app.get(KeyUses).flush();
    await verify(keys[1]?.rawKey ?? '');
    await sayDeleted(userId);
    await closed(userId);
    await settled();
    while ((await storedUses(userId)).length > 0) await nextTurn();
    app.get(KeyUses).note({ id: keys[1]?.id ?? '', userId }, at(clock.time));
    await app.get(KeyUses).flush();
    expect(await storedUses(userId)).toEqual([]);
  });

  it('given more keys were used than are stored at once, then all are stored', async () => {
    const userId = newId();
    const keys: IssuedKey[] = [];
    for (let count = 0; count < 300; count++) keys.push(await issue(userId));
    await settled();
    for (const { rawKey } of keys) await verify(rawKey);
    await app.get(KeyUses).flush();
    expect(await storedUses(userId)).toHaveLength(300);
  });

  const run = async (userId: string, step: Step, model: Model): Promise<IssuedKey | undefined> => {
    const idOf = (index: number) => model.keys[index]?.id ?? newId();
    switch (step.kind) {
      case 'issue': {
        const { expiresInSeconds: seconds } = step;
        return issue(userId, seconds === null ? null : at(clock.time + seconds * SECOND));
      }
      case 'rotate':
        return rotate(userId, idOf(step.key), step.graceSeconds);
      case 'revoke':
        await revoke(userId, idOf(step.key));
        return undefined;
      case 'close': {
        const scope = { platform_id: platformId, tenant_id: tenantId };
        const command = { kind: 'close' as const, ...scope, at: at(clock.time) };
        await app.get(Aggregates).execute(keyring, userId, command, { context });
        return undefined;
      }
      case 'clock':
        return undefined;
    }
  };

  it('given any course of issues, rotations, revocations and clocks, then keys are what the model says', async () => {
    const reached = new Set<string>();
    const property = fc.asyncProperty(steps, async (course) => {
      const [userId, model] = [newId(), new Model()];
      clock.time = START;
      for (const step of course) {
        const expected = step.kind === 'close' || step.kind === 'clock' ? 'done' : model.outcome(step);
        let outcome = 'done';
        const issued = await run(userId, step, model).catch((error) => {
          if (!isTenantryError(error)) throw error;
          outcome = error.code;
          return undefined;
        });
        expect([step, outcome]).toEqual([step, expected]);
        if (outcome === 'done') model.apply(step, issued);
        await settled();
        for (const key of model.keys) {
          const status = model.status(key);
          const answer =
            status === 'active' ? { valid: true, key_id: key.id } : { valid: false, code: status };
          expect(await verify(key.rawKey)).toMatchObject(answer);
          reached.add(status);
        }
        reached.add(`${step.kind} ${outcome}`);
        const { data } = await list(userId);
        expect(data.map(({ id, status, expires_at }) => ({ id, status, expires_at }))).toEqual(
          model.listed(),
        );
      }
    });
    await fc.assert(property, { numRuns: 60 });
    expect([...reached]).toEqual(
      expect.arrayContaining([
        'active',
        'expired',
        'revoked',
        'rotate done',
        'rotate illegal_state',
        'close done',
      ]),
    );
  });

  const seed = Number(process.env.TENANTRY_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));

  it(`given keys issued and rotated at the moment of the deletion, 500 times, then none verifies (seed ${seed})`, async () => {
    const pause = async (turns: number) => {
      for (let turn = 0; turn < turns; turn++) await nextTurn();
    };
    const turns = (max: number) => fc.nat({ max });
    const timing = fc.record({
      deletion: turns(20),
      issue: turns(400),
      rotation: turns(400),
      grace: fc.constantFrom(0, 600),
    });
    const outcomes = { before: 0, refused: 0 };
    const keys: IssuedKey[] = [];
    const attempt = async (turns: number, command: () => Promise<IssuedKey>) => {
      await pause(turns);
      try {
        keys.push(await command());
        outcomes.before += 1;
      } catch (error) {
        if (!isTenantryError(error) || error.kind !== 'not_found') throw error;
        outcomes.refused += 1;
      }
    };
    const rounds = fc.sample(timing, { numRuns: 500, seed }).map(async (after) => {
      const userId = newId();
      const first = await issue(userId);
      keys.push(first);
      await Promise.all([
        pause(after.deletion).then(() => sayDeleted(userId)),
        attempt(after.issue, () => issue(userId)),
        attempt(after.rotation, () => rotate(userId, first.id, after.grace)),
      ]);
      await closed(userId);
    });
    await Promise.all(rounds);
    await settled();
    expect(keys).toHaveLength(500 + outcomes.before);
    expect([outcomes.before > 0, outcomes.refused > 0]).toEqual([true, true]);
    for (const { rawKey } of keys) expect(await verify(rawKey)).toEqual({ valid: false, code: 'revoked' });
  });
});
