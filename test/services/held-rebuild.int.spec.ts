import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ReadModels } from '#platform';
import type { ServiceApplication } from '../service-application.js';
import { until } from './budgets-app.js';
import { HeldProjections } from './held-projections.js';
import { Client, openWholeService } from './whole-service.js';

const REBUILD = 'projections/user-directory/rebuild';

describe('a user who is deleted while the directory is rebuilt', () => {
  let service: ServiceApplication;
  let client: Client;
  const held = new HeldProjections();

  beforeEach(async () => {
    service = await openWholeService({ prepare: (app) => held.prepare(app) });
    client = await Client.ofNewPlatform(service);
  });
  afterEach(async () => {
    held.release();
    await service.remove();
  });

  const state = async () => {
    const { body } = await client.call('GET', REBUILD, undefined, service.rootKey);
    return body.state as string;
  };
  const read = (name = '') => join(service.dataDir, 'read', name);
  const files = () => readdirSync(read()).filter((name) => name.startsWith('user-directory'));
  /** What the directory finds the user by, as its row keeps it. */
  const tokensOf = (id: string): Buffer[] => {
    const [name] = files();
    const file = new DatabaseSync(read(name), { readOnly: true });
    const row = file.prepare('select tokens from users where id = ?').get(id);
    file.close();
    const packed = Buffer.from(row?.tokens as Uint8Array);
    return Array.from({ length: packed.length / 8 }, (_, at) => packed.subarray(8 * at, 8 * at + 8));
  };
  const found = (tokens: Buffer[]) => {
    const connection = new DatabaseSync(read(files()[0]));
    connection.exec('pragma wal_checkpoint(truncate)');
    connection.close();
    const all = files().map((name) => readFileSync(read(name)));
    return tokens.filter((token) => all.some((bytes) => bytes.includes(token)));
  };

  it('then it has no receipt before the rebuild is over, and no file holds a byte of it', async () => {
    const email = 'erin@example.com';
    const { body: user } = await client.call('POST', 'users', { email, metadata: { team: 'red' } });
    const { body: other } = await client.call('POST', 'users', { label: 'other' });
    const shared = tokensOf(other.id);
    const tokens = tokensOf(user.id).filter((token) => !shared.some((it) => it.equals(token)));
    expect(found(tokens)).toHaveLength(tokens.length);
    expect(tokens.length).toBeGreaterThan(1);

    held.hold(['user-directory']);
    expect((await client.call('POST', REBUILD, {}, service.rootKey)).status).toBe(202);
    await until(() => files().includes('user-directory.building.db') || undefined);
    await client.call('DELETE', `users/${user.id}`);
    const deletion = async () => (await client.call('GET', `users/${user.id}/deletion`)).body;
    await until(async () => (await deletion()).participants?.every(isConfirmed) || undefined);
    expect([(await deletion()).status, await state()]).toEqual(['pending', 'running']);

    held.release();
    await until(async () => (await deletion()).status === 'completed' || undefined);
    expect(await state()).toBe('completed');
    expect(await service.app.get(ReadModels).catchUp(10_000)).toBe(true);
    expect(files().filter((name) => name.endsWith('.db'))).toEqual(['user-directory.1.db']);
    expect(found(tokens)).toEqual([]);
  }, 60_000);
});

const isConfirmed = ({ status }: { status: string }): boolean => status === 'confirmed';
