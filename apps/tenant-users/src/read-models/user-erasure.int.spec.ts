import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '#kernel';
import { ProjectionRunner, SqliteReadDatabase } from '#projections';
import { InMemoryEventStore, RecordingLogger } from '#testing';
import { type LoggedUser, UserLog } from '../../../../test/user-events.js';
import { UserDirectoryProjection } from './user-directory.projection.js';
import { UserTokens } from './user-tokens.js';

const SECRET = new Uint8Array(32).fill(5);
const USERS = 300;

describe('the read model of users on the disk', () => {
  let folder: string;
  let file: string;
  let database: SqliteReadDatabase;
  let store: InMemoryEventStore;
  let runner: ProjectionRunner;
  let log: UserLog;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tenantry-erasure-'));
    file = join(folder, 'read.db');
    database = SqliteReadDatabase.open(file);
    store = new InMemoryEventStore();
    log = new UserLog(store);
    const projection = new UserDirectoryProjection({ dialect: 'sqlite', open: log.open, secret: SECRET });
    const logger = new RecordingLogger();
    runner = new ProjectionRunner({ store, database, clock: systemClock, logger, projections: [projection] });
    await runner.start();
  });
  afterEach(async () => {
    await runner.stop();
    await store.close();
    await database.close();
    await rm(folder, { recursive: true });
  });

  const tokens = new UserTokens(SECRET);
  const tokensOf = (user: LoggedUser) => tokens.ofPersonal(user.tenantId, user);

  /** How many of the tokens the file holds in any form, or, where the index has shortened them, the ends of them. */
  const found = async (wanted: readonly string[]): Promise<{ rows: number; index: number }> => {
    await runner.waitForAll(await store.head(), 10_000);
    const connection = new DatabaseSync(file);
    connection.exec('pragma wal_checkpoint(truncate)');
    connection.close();
    const bytes = await readFile(file);
    expect((await readFile(`${file}-wal`)).length).toBe(0);
    const has = (token: string) => {
      const packed = Buffer.from(token, 'hex');
      return bytes.includes(packed) || bytes.includes(Buffer.from(packed).reverse());
    };
    return {
      rows: wanted.filter(has).length,
      index: wanted.filter((token) => bytes.includes(token.slice(-12), 0, 'latin1')).length,
    };
  };

  it('given deleted and changed users, then holds none of their tokens, nor the ends of them', async () => {
    const made: LoggedUser[] = [];
    for (let number = 0; number < USERS; number += 1) {
      const values = {
        email: `${number}@example.com`,
        metadata: { number, a: number % 7 },
      };
      made.push(await log.create('tenant', values));
    }
    const shared = new Set(['member'].flatMap((role) => tokens.ofPersonal('tenant', { role })));
    const unique = (user: LoggedUser) => tokensOf(user).filter((token) => !shared.has(token));
    const deleted = made.filter((_, at) => at % 3 === 0);
    const changed = made.filter((_, at) => at % 3 === 1);
    const before = [...deleted, ...changed].flatMap((user) => unique(user).slice(0, 2));
    expect(await found(before)).toEqual({ rows: before.length, index: before.length });
    for (const { id } of changed) await log.update(id, { email: null, metadata: {} });
    for (const { id } of deleted) await log.delete(id);
    expect(await found(before)).toEqual({ rows: 0, index: 0 });
    const kept = made.filter((_, at) => at % 3 === 2).flatMap((user) => unique(user).slice(0, 2));
    expect(await found(kept)).toEqual({ rows: kept.length, index: kept.length });
  });

  it('given that all of a tenant are deleted, then holds no token that they had in common either', async () => {
    for (let number = 0; number < 40; number += 1)
      await log.create('tenant', { role: 'owner', teams: ['red'] });
    const [user] = [...log.users.values()];
    const common = tokensOf(user!);
    expect(await found(common)).toEqual({ rows: 2, index: 2 });
    for (const id of [...log.users.keys()]) await log.delete(id);
    expect(await found(common)).toEqual({ rows: 0, index: 0 });
  });
});
