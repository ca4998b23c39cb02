import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ServiceApplication } from '../service-application.js';
import { until } from './budgets-app.js';
import { HeldProjections } from './held-projections.js';
import { Client, openWholeService } from './whole-service.js';

const REBUILD = 'projections/user-directory/rebuild';

describe('the directory and a user who is deleted', () => {
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
    const all = files().map((name) => readFileSync(read(name)));
    return tokens.filter((token) => all.some((bytes) => bytes.includes(token)));
  };

  const deletionOf = async (id: string) => (await client.call('GET', `users/${id}/deletion`)).body;
  const untilCompleted = (id: string) =>
    until(async () => (await deletionOf(id)).status === 'completed' || undefined);

  /** With the tokens that nobody else has. */
  async function createUser() {
    const personal = { email: 'erin@example.com', metadata: { team: 'red' } };
    const { body: user } = await client.call('POST', 'users', personal);
    const { body: other } = await client.call('POST', 'users', { label: 'other' });
    const shared = tokensOf(other.id);
    const tokens = tokensOf(user.id).filter((token) => !shared.some((it) => it.equals(token)));
    expect(tokens.length).toBeGreaterThan(1);
    expect(found(tokens)).toHaveLength(tokens.length);
    return { user, tokens };
  }

  it('given a receipt, then neither file nor journal holds a byte of the user', async () => {
    const { user, tokens } = await createUser();
    await client.call('DELETE', `users/${user.id}`);
    await untilCompleted(user.id);
    expect(found(tokens)).toEqual([]);
  });

  it('given a directory that is behind, then there is no receipt before it has come to the deletion', async () => {
    const { user, tokens } = await createUser();
    held.hold(['user-directory']);
    await client.call('DELETE', `users/${user.id}`);
    await until(async () => (await deletionOf(user.id)).participants?.every(isConfirmed) || undefined);
    expect((await deletionOf(user.id)).status).toBe('pending');
    held.release();
    await untilCompleted(user.id);
    expect(found(tokens)).toEqual([]);
  });

  it('given a rebuild, then there is no receipt before it is over', async () => {
    const { user, tokens } = await createUser();
    held.hold(['user-directory']);
    expect((await client.call('POST', REBUILD, {}, service.rootKey)).status).toBe(202);
    await until(() => files().includes('user-directory.building.db') || undefined);
    await client.call('DELETE', `users/${user.id}`);
    await until(async () => (await deletionOf(user.id)).participants?.every(isConfirmed) || undefined);
    expect([(await deletionOf(user.id)).status, await state()]).toEqual(['pending', 'running']);

    held.release();
    await untilCompleted(user.id);
    expect(await state()).toBe('completed');
    expect(files().filter((name) => name.endsWith('.db'))).toEqual(['user-directory.1.db']);
    expect(found(tokens)).toEqual([]);
  }, 60_000);
});

const isConfirmed = ({ status }: { status: string }): boolean => status === 'confirmed';
