import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { Service, ServiceOptions } from '#testing';
import {
  type Caller,
  type Deletion,
  expectStatus,
  inParallel,
  temporaryDataDir,
  type User,
} from './support.js';

const FIXTURE = 'test/fixtures/data-dir-1';
const WIDTH = 8;
/** Small, so that cursors are followed. */
const PAGE = 40;

/** Who asks, and in which tenant. */
interface Place {
  name: string;
  /** A platform's key; the data dir's own when left out. */
  key?: string;
  tenant_id?: string;
}

interface At {
  /** An index of `places`. */
  place: number;
  path: string;
}

type Read<Body = object> = At & { status: number; body: Body };
type List = At & { rows: object[]; total?: number; unpaged?: boolean };
/** By text, the id of who has it. */
type Taken = [text: string, id: string][];

/** What the state that wrote the data dir answered. */
interface Expected {
  places: Place[];
  reads: Record<'past' | 'secrets' | 'budgets' | 'tenancy', Read[]> & {
    users: Read<User>[];
    receipts: Read<Deletion>[];
    tenant_deletions: Read[];
  };
  lists: Record<string, List[]>;
  queries: (At & { total: number; ids: string[] })[];
  verifications: {
    place: number;
    key: string;
    scope?: string;
    answer: { valid: boolean; key_id?: string; user_id?: string };
  }[];
  last_uses: (At & { uses: Record<string, string> })[];
  tokens: (At & { body: object })[];
  previews: (At & { body: object })[];
  platforms: object[];
  identifiers: ({ place: number } & Record<'external_ids' | 'usernames', { taken: Taken; free: string[] }>)[];
  tenant_external_ids: { place: number; taken: Taken; free: string[] }[];
  collisions: ({ place: number } & Record<'older' | 'younger', { id: string; username: string }>)[];
  deleted: { place: number; user_id: string; texts: string[] }[];
}

export const expected = JSON.parse(
  gunzipSync(readFileSync(`${FIXTURE}/expected.json.gz`)).toString(),
) as Expected;

// Roles and teams were no personal data then: they are hidden now like the rest of a deleted user's.
const deletedIds = expected.deleted.map(({ user_id }) => user_id);
for (const { path, rows } of expected.lists.events ?? []) {
  if (!deletedIds.some((id) => path.includes(id))) continue;
  for (const { changes } of rows as { changes: Record<string, object> }[]) {
    for (const field of ['role', 'teams']) if (changes[field]) changes[field] = { from: null, to: null };
  }
}

/** Everything in one process and in the data dir, whatever the other specs run on. */
export const EMBEDDED: ServiceOptions = {
  program: 'dist/apps/all-in-one/src/main.js',
  env: { EVENT_STORE_URL: '', DATABASE_URL: '', KAFKA_BROKERS: '' },
};

/** The fixture, in a folder that is removed at the end of the spec file. */
export function unpacked(): string {
  const dataDir = temporaryDataDir();
  execFileSync('tar', ['-xzf', `${FIXTURE}/data-dir.tar.gz`, '-C', dataDir]);
  return dataDir;
}

export function callerOf(place: number): Caller {
  const { key, tenant_id } = expected.places[place] as Place;
  return { ...(key && { key }), ...(tenant_id && { headers: { 'x-tenant-id': tenant_id } }) };
}

const WHOLE = new Set(['metadata', 'rate_limits', 'from', 'to']);

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** What of an answer was answered before, too: later versions add fields. Values of callers' own stay whole. */
export function narrowed(actual: unknown, before: unknown): unknown {
  if (!isObject(actual) || !isObject(before)) return actual;
  if (Array.isArray(actual)) return actual.map((item, at) => narrowed(item, (before as unknown[])[at]));
  const shared = Object.entries(actual).filter(([name]) => Object.hasOwn(before, name));
  return Object.fromEntries(
    shared.map(([name, value]) => [
      name,
      WHOLE.has(name) ? value : narrowed(value, before[name as keyof typeof before]),
    ]),
  );
}

/** What is answered to each, in the form of what was answered before; several at a time. */
export async function answers<Before extends { place: number }>(
  befores: readonly Before[],
  ask: (before: Before) => Promise<unknown>,
): Promise<unknown[]> {
  return inParallel(befores, WIDTH, async (before) =>
    narrowed({ ...before, ...((await ask(before)) as object) }, before),
  );
}

export async function read(service: Service, { place, path }: At): Promise<{ status: number; body: object }> {
  const { status, body } = await service.request<object>('GET', path, callerOf(place));
  return { status, body };
}

/** All rows of a list, page by page. */
export async function rowsOf<Row>(
  service: Service,
  { place, path, unpaged = false }: At & { unpaged?: boolean },
): Promise<{ rows: Row[]; total: number | undefined }> {
  const rows: Row[] = [];
  const base = unpaged ? path : `${path}${path.includes('?') ? '&' : '?'}limit=${PAGE}`;
  for (let cursor: string | null = ''; ; ) {
    const url: string = cursor ? `${base}&cursor=${cursor}` : base;
    type Page = { data: Row[]; next_cursor: string | null; total?: number };
    const { body } = expectStatus(await service.request<Page>('GET', url, callerOf(place)), 200);
    rows.push(...body.data);
    cursor = body.next_cursor;
    if (cursor === null) return { rows, total: body.total };
  }
}
