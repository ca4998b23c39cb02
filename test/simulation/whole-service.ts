import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { streamId } from '#kernel';
import type { Service } from '#testing';
import { eventually, expectStatus, type Page, type User, walk } from '../e2e/support.js';
import { tracesIn, tracesUnder } from '../e2e/traces.js';
import type { Ledger } from './ledger.js';
import { logContent } from './log-content.js';

interface Health {
  status: string;
  parts: { name: string; status: string }[];
  projections: { name: string; state: string; lag: number }[];
  consumers: { group: string; topic: string; state: string; lag: number; deadLettered: number }[];
}

interface RebuildState {
  state: string;
  differences?: number;
}

const PROJECTIONS = ['access', 'user-directory', 'deletions', 'key-registry', 'budgets', 'secrets'];

/** Waits until everything that follows the log and the bus has come to their ends. */
export async function expectSettled(service: Service, ledger: Ledger): Promise<void> {
  const ask = () => service.request<Health>('GET', '/health/ready', { key: null });
  const isAtEnd = ({ state, lag }: { state: string; lag: number }) => state === 'running' && lag === 0;
  const { status, text } = await eventually(
    ask,
    ({ status, body }) => status === 200 && [...body.projections, ...body.consumers].every(isAtEnd),
    20_000,
  );
  const { projections, consumers, status: up } = JSON.parse(text) as Health;
  const isSettled = [...projections, ...consumers].every(isAtEnd);
  if (status !== 200 || up !== 'up' || !isSettled) ledger.fault(`it does not come to rest: ${text}`);
}

/** Each read model equals what its log says, counted by building it anew. */
export async function expectProjectionsRight(service: Service, ledger: Ledger): Promise<void> {
  const key = service.rootKey;
  for (const name of PROJECTIONS) {
    const path = `/v1/projections/${name}/rebuild`;
    expectStatus(await service.request('POST', path, { key, body: { verify: true } }), 202);
    const ask = () => service.request<RebuildState>('GET', path, { key });
    const { body } = await eventually(ask, ({ body }) => body.state !== 'running', 60_000);
    if (body.state === 'completed' && body.differences === 0) continue;
    ledger.fault(`${name} is not what the log says: ${JSON.stringify(body)}`);
  }
}

/** The bus gave up no message in any run so far. */
export function expectNoDeadLetters(dataDir: string, ledger: Ledger): void {
  const bus = new DatabaseSync(join(dataDir, 'bus.db'), { readOnly: true });
  try {
    const select = bus.prepare("select body from message where topic = 'tenantry.dead-letter.v1'");
    for (const { body } of select.all()) ledger.fault(`a message was dead-lettered: ${body}`);
  } finally {
    bus.close();
  }
}

/** Nobody is there but whom the ledger knows, each once, and nobody is missing. */
export async function expectPopulation(service: Service, ledger: Ledger): Promise<void> {
  const { rows, totals } = await walk<User>(service, '/v1/users');
  const shown = rows.filter((user) => !user.is_default).map(({ id }) => id);
  const living = ledger.people.filter(({ isAlive }) => isAlive).map(({ id }) => id);
  const missing = living.filter((id) => !shown.includes(String(id)));
  const unknown = shown.filter((id) => !living.includes(id));
  const externalIds = rows.flatMap(({ external_id }) => external_id ?? []);
  if (missing.length + unknown.length > 0 || new Set(shown).size !== shown.length) {
    ledger.fault(`of ${shown.length} users listed ${unknown} are unknown, and ${missing} are missing`);
  }
  if (new Set(externalIds).size !== externalIds.length) ledger.fault('two users have one external_id');
  if (totals.some((total) => total !== rows.length))
    ledger.fault(`of ${rows.length} users ${totals} are told`);
}

/** Neither a file nor the log holds anything personal in clear; what is not personal shows that one would see it. */
export async function expectNoTraces(dataDir: string, ledger: Ledger): Promise<void> {
  const marks = [ledger.personalMark, ledger.openMark];
  const log = Buffer.from(JSON.stringify(await logContent(dataDir), (_, value) => simpleValue(value)));
  const traces = [...tracesUnder(dataDir, marks), ...tracesIn(log, 'the log', marks)];
  for (const { file, value, form } of traces) {
    if (value === ledger.personalMark) ledger.fault(`${file} holds personal data, as ${form}`);
  }
  const files = process.env.EVENT_STORE_URL ? ['read/access'] : ['read/access', 'log.db'];
  for (const name of ['the log', ...files]) {
    const isSeen = traces.some(({ file, value }) => value === ledger.openMark && file.startsWith(name));
    if (!isSeen) ledger.fault(`what ${name} holds in clear was not found, so the search proves nothing`);
  }
}

const simpleValue = (value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);

/**
 * The keys that anything of a deleted user was ever sealed under are nothing but zeros. To be asked once the
 * service has ended: the key store cuts its journal after each destruction and suffers no reader then.
 */
export async function expectKeysDestroyed(dataDir: string, ledger: Ledger): Promise<void> {
  const deleted = new Set(ledger.people.filter(({ isDeleted }) => isDeleted).map(({ id }) => id));
  const sealed = new Map(
    (await logContent(dataDir)).flatMap(({ stream, data }) =>
      data.subject_key === undefined ? [] : [[`${stream} ${data.subject_key}`, { stream, data }]],
    ),
  );
  const keys = new DatabaseSync(join(dataDir, 'keys.db'), { readOnly: true });
  try {
    const isAlive = keys.prepare(
      'select 1 from subject_keys where id = ? and wrapped != zeroblob(length(wrapped))',
    );
    let destroyed = 0;
    for (const { stream, data } of sealed.values()) {
      if (!deleted.has(streamId(stream))) continue;
      if (isAlive.get(Number(data.subject_key))) ledger.fault(`the key of ${stream} outlived its user`);
      else destroyed += 1;
    }
    if (destroyed < deleted.size)
      ledger.fault(`${destroyed} keys of ${deleted.size} deleted users were found`);
  } finally {
    keys.close();
  }
}

/** Finds out which of the users whose creation was never answered are there, by what they were to be called. */
export async function identify(service: Service, ledger: Ledger): Promise<void> {
  // Those under way at the kill are among the newest, fewer than a page of them.
  const path = '/v1/users?limit=100';
  const { data } = expectStatus(await service.request<Page<User>>('GET', path), 200).body;
  const byLabel = new Map(
    ledger.people
      .filter(({ id, life }) => id === undefined && life.couldBe('alive'))
      .map((person) => [person.profile.value.label, person]),
  );
  const known = new Set(ledger.people.map(({ id }) => id));
  for (const { id, label, is_default } of data) {
    if (known.has(id) || is_default) continue;
    const person = byLabel.get(String(label));
    if (person?.id !== undefined) ledger.fault(`${id} is the same user`, person);
    else if (person) person.id = id;
    else ledger.fault(`nobody asked for the user ${id}`);
  }
  for (const person of byLabel.values()) {
    if (person.id === undefined) ledger.observe(person, 'the user', person.life, 'absent');
  }
  ledger.people = ledger.people.filter(({ life }) => !life.isCertain || life.value !== 'absent');
}
