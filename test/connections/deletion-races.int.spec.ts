import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ConnectionsApp } from './connections-app.js';
import { type ScriptedProvider, sendJson, startScriptedProvider } from './scripted-provider.js';

const ROUNDS = 500;
const WIDTH = 10;
const SEED = Number(process.env.TENANTRY_TEST_SEED ?? Date.now() % 1_000_000_000);

let service: ConnectionsApp;
let provider: ScriptedProvider;
const issued = new Set<string>();
const revoked = new Set<string>();

beforeAll(async () => {
  service = await ConnectionsApp.start({ TENANTRY_PROVIDER_TIMEOUT_MS: '20000' });
  provider = await startScriptedProvider();
  provider.script = (request, response) => {
    const { path, body } = request;
    if (path === '/revoke') revoked.add(body.get('token') ?? '');
    if (path === '/revoke') return sendJson(200, {})(request, response);
    const access_token = `access-${issued.size}`;
    issued.add(access_token);
    return sendJson(200, { access_token, token_type: 'bearer', expires_in: 3_600 })(request, response);
  };
  const body = { kind: 'oauth2', ...provider.settings };
  await service.call('PUT', '/providers/fast', { body });
});

afterAll(async () => {
  await service?.close();
  await provider?.close();
});

interface Delays {
  secret: number;
  connect: number;
  deletion: number;
}

/** What came of one round: 201 or 204 where it was taken. */
interface Round {
  user: string;
  secret: number;
  connect: number;
  callback: number | undefined;
  removed: Record<string, object>;
}

async function play(delays: Delays): Promise<Round> {
  const user = service.makeUser();
  const secret = sleep(delays.secret).then(() =>
    service.call('PUT', `/users/${user}/vault/bank`, { body: { value: 's3cr3t' } }),
  );
  const connect = sleep(delays.connect).then(async () => {
    const asked = await service.call('POST', `/users/${user}/connections/connect`, {
      body: { provider: 'fast' },
    });
    if (asked.status !== 201) return { status: asked.status, callback: undefined };
    const state = new URL(asked.json.connect_url).searchParams.get('state');
    const answer = await fetch(`${service.callbackUrl}?code=x&state=${state}`);
    return { status: asked.status, callback: answer.status };
  });
  const deletion = sleep(delays.deletion).then(() => service.deleteUser(user));
  const [put, { status, callback }, removed] = await Promise.all([secret, connect, deletion]);
  return { user, secret: put.status, connect: status, callback, removed };
}

describe(`${ROUNDS} deletions with a secret and a consent at the same moment (seed ${SEED})`, () => {
  it('given any timing, then what was taken was let go of, and no token lives on', async () => {
    const delay = (max: number) => fc.integer({ min: 0, max });
    // The way of a consent is the longest, so the deletion comes at any point of it.
    const delays = fc.record({ secret: delay(150), connect: delay(25), deletion: delay(200) });
    const queue = fc.sample(delays, { numRuns: ROUNDS, seed: SEED }).values();
    const rounds: Round[] = [];
    const lane = async (): Promise<void> => {
      for (const one of queue) rounds.push(await play(one));
    };
    await Promise.all(Array.from({ length: WIDTH }, lane));

    expect(rounds).toHaveLength(ROUNDS);
    for (const { secret, connect, callback, removed } of rounds) {
      expect([204, 404]).toContain(secret);
      expect(removed.vault).toEqual({ secrets: secret === 204 ? 1 : 0 });
      expect([201, 404]).toContain(connect);
      expect([200, 404, undefined]).toContain(callback);
      // One that was closed before it could be answered is counted, too.
      const counts = connect === 201 ? [1] : [0, 1];
      expect(counts).toContain((removed.connections as { connections: number }).connections);
    }
    // Both sides of the race were seen, or this would show nothing.
    for (const [kind, statuses] of [
      ['secret', [204, 404]],
      ['connect', [201, 404]],
      ['callback', [200, 404]],
    ] as const) {
      expect([...new Set(rounds.map((round) => round[kind]))]).toEqual(expect.arrayContaining([...statuses]));
    }
    expect(issued.size).toBeGreaterThan(0);
    expect([...issued].filter((token) => !revoked.has(token))).toEqual([]);
    await service.readModels.catchUp(10_000);
    for (const { user } of rounds) {
      expect((await service.call('GET', `/users/${user}/vault`)).json.total).toBe(0);
      expect((await service.call('GET', `/users/${user}/connections`)).json.total).toBe(0);
    }
  });
});
