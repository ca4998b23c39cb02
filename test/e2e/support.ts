import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect } from '@jest/globals';
import type { Answer, Service, ServiceExit, ServiceOptions } from '#testing';
// Not through the indexes, which would load every library into every spec.
import { createApiKey } from '../../libs/platform/src/access/api-key.js';
import {
  eventStoreSettings,
  freshDataDir,
  isSplit,
  ServiceNotStarted,
  startService,
  tenantUsersDir,
} from '../../libs/testing/src/service-process.js';
import { databaseUrl, dropSchemas } from './read-database.js';

export { createApiKey, eventStoreSettings, isSplit, ServiceNotStarted, tenantUsersDir };

export interface User {
  id: string;
  tenant_id: string;
  external_id: string | null;
  email: string | null;
  label: string | null;
  role: string;
  status: string;
  account_kit_id: string;
  metadata: Record<string, unknown>;
  is_default: boolean;
  revision: number;
  created_at: string;
  updated_at: string;
}

export interface Page<Row> {
  data: Row[];
  next_cursor: string | null;
  total: number;
}

export interface IssuedKey {
  id: string;
  name: string;
  key_prefix: string;
  raw_key: string;
}

export interface Deletion {
  user_id: string;
  status: 'pending' | 'completed';
  requested_at: string;
  participants: { name: string; status: string; confirmed_at: string | null; removed: object }[];
  personal_data_key_destroyed_at: string | null;
  completed_at: string | null;
  position: string;
}

export interface Platform {
  id: string;
  default_tenant_id: string;
  default_account_kit_id: string;
  api_key: { id: string; raw_key: string };
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  errors?: { field: string; message: string }[];
  existing_id?: string;
  required_scope?: string;
  request_id: string;
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
export const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
/** No log gets there. It is one of the tenant-users service's log, wherever each service has its own. */
export const FAR_POSITION = '9223372036854775800';
export const MISSING_ID = '01890000-0000-7000-8000-000000000000';

const started: Service[] = [];
const dataDirs: string[] = [];

afterAll(async () => {
  await Promise.all(started.map((service) => service.kill()));
  await dropSchemas(dataDirs);
  for (const dir of dataDirs) rmSync(dir, { recursive: true, force: true });
});

/** A data dir that is removed at the end of the spec file. */
export function temporaryDataDir(): string {
  const dir = freshDataDir();
  dataDirs.push(dir);
  return dir;
}

/** Starts the service; it is ended, and a data dir made for it removed, at the end of the spec file. */
export async function start(options: ServiceOptions = {}): Promise<Service> {
  const { dataDir = temporaryDataDir(), env } = options;
  const url = databaseUrl(dataDir);
  const service = await startService({
    ...options,
    dataDir,
    env: { ...(url && { DATABASE_URL: url }), ...env },
  });
  started.push(service);
  return service;
}

/** How the service ends when it cannot start. */
export async function failedStart(options: ServiceOptions): Promise<ServiceExit> {
  const error = await start(options).then(
    () => new Error('the service started'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ServiceNotStarted)) throw error;
  return error.exit;
}

/** Throws, with the answer, unless it has this status. */
export function expectStatus<Body>(answer: Answer<Body>, status: number): Answer<Body> {
  if (answer.status !== status) throw new Error(`answered ${answer.status}, not ${status}: ${answer.text}`);
  return answer;
}

/** Problem details as the public contract has them, and nothing that tells of the inside. */
export function expectProblem(
  answer: Answer<unknown>,
  { status, code, field }: { status: number; code: string; field?: string | undefined },
): Problem {
  const { errors, ...shown } = answer.body as Problem;
  const fields = errors?.map((error) => error.field) ?? [];
  expect({ ...shown, fields }).toMatchObject({
    status,
    code,
    fields: field === undefined ? fields : [field],
  });
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(shown.request_id).toBe(answer.headers.get('x-request-id'));
  expect(typeof shown.title).toBe('string');
  expect(shown.type).toMatch(/^urn:|^https?:/);
  expect(answer.text).not.toMatch(/\bat .+:\d+:\d+|node_modules|\.[jt]s:\d/);
  return answer.body as Problem;
}

export interface Caller {
  key?: string;
  headers?: Record<string, string>;
}

export async function createUser(service: Service, body: object = {}, caller: Caller = {}): Promise<User> {
  return expectStatus(await service.request<User>('POST', '/v1/users', { body, ...caller }), 201).body;
}

export async function issueKey(service: Service, userId: string, caller: Caller = {}): Promise<IssuedKey> {
  const path = `/v1/users/${userId}/keys`;
  return expectStatus(await service.request<IssuedKey>('POST', path, { body: {}, ...caller }), 201).body;
}

export async function verifyKey(service: Service, key: string, caller: Caller = {}): Promise<object> {
  const answer = await service.request<object>('POST', '/v1/keys/verify', { body: { key }, ...caller });
  return expectStatus(answer, 200).body;
}

/** Someone with a key, a budget and a secret. */
export async function createEquippedUser(
  service: Service,
  body: object = {},
): Promise<User & { rawKey: string }> {
  const user = await createUser(service, body);
  const path = `/v1/users/${user.id}`;
  const [{ raw_key: rawKey }, budget, secret] = await Promise.all([
    issueKey(service, user.id),
    service.request('PUT', `${path}/budget`, { body: { limit_usd: '10.00', period: 'none' } }),
    service.request('PUT', `${path}/vault/openai_key`, { body: { value: 'sk-secret' } }),
  ]);
  expectStatus(budget, 200);
  expectStatus(secret, 204);
  return { ...user, rawKey };
}

export async function createPlatform(service: Service, name: string): Promise<Platform> {
  const answer = await service.request<Platform>('POST', '/v1/platforms', {
    key: service.rootKey,
    body: { name },
  });
  return expectStatus(answer, 201).body;
}

/** Asks again until the answer is as wanted; the last answer when it never is. */
export async function eventually<Result>(
  ask: () => Promise<Result>,
  wanted: (result: Result) => boolean,
  timeoutMs = 10_000,
): Promise<Result> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const result = await ask();
    if (wanted(result) || performance.now() > end) return result;
    await sleep(10);
  }
}

/** The receipt, once it says completed. */
export async function completedDeletion(service: Service, userId: string): Promise<Deletion> {
  const receipt = await eventually(
    () => service.request<Deletion>('GET', `/v1/users/${userId}/deletion`),
    ({ body }) => body?.status === 'completed',
    // A consumer group that has lost a member waits for its session to end.
    45_000,
  );
  expect(receipt.body).toMatchObject({ user_id: userId, status: 'completed' });
  return receipt.body;
}

/** Every row of a list, page by page. */
export async function walk<Row>(service: Service, path: string): Promise<{ rows: Row[]; totals: number[] }> {
  const rows: Row[] = [];
  const totals: number[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: string = cursor && `&cursor=${cursor}`;
    const page: Page<Row> = expectStatus(
      await service.request<Page<Row>>('GET', `${path}?limit=100${query}`),
      200,
    ).body;
    rows.push(...page.data);
    totals.push(page.total);
    cursor = page.next_cursor;
  }
  return { rows, totals };
}

/** Runs the work on all items, so many at a time, in order of the items. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  const lane = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: width }, lane));
  return results;
}

export const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Seeded pseudo-random numbers in [0, 1): mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Printed in a test's title, so that a run can be repeated with TENANTRY_TEST_SEED. */
export const randomSeed = (): number =>
  Number(process.env.TENANTRY_TEST_SEED ?? Math.floor(Math.random() * 1_000_000_000));
