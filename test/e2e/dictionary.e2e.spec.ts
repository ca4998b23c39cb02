import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import { ON_SQLITE_LOG } from '../../libs/testing/src/long-history.js';
import { startService } from '../../libs/testing/src/service-process.js';
import {
  type AuthorizationServer,
  CLIENT,
  SCOPES,
  startAuthorizationServer,
} from '../connections/authorization-server.js';
import { Browser } from '../connections/browser.js';
import { DataDirReader, formsOfDigest, Guesses } from './guesses.js';
import { Needles } from './needles.js';
import {
  completedDeletion,
  createUser,
  expectStatus,
  inParallel,
  issueKey,
  numbers,
  temporaryDataDir,
  verifyKey,
} from './support.js';
import { formsOf } from './traces.js';

const DELETED = Number(process.env.TENANTRY_DICTIONARY_USERS ?? 24);
const LIVING = 3;
const AT_ONCE = 24;
/** So many words at once are looked for in all files. */
const WORDS_A_PASS = 600;
/** Every so many users are patched, connect to a provider, come with an Idempotency-Key. */
const [PATCHED, CONNECTED, REPEATABLE] = [3, 25, 4];
const METADATA_KEYS = ['diagnosis', 'birth_year'];

interface Word {
  label: string;
  text: string;
  /** Random enough that nobody guesses it, and known by its hash for good. */
  unguessable?: boolean;
}
interface Person {
  id: string;
  words: Word[];
}
interface Hit {
  label: string;
  form: string;
  file: string;
}

/** Nobody else's, and unlike any other from its beginning on. */
const unique = (name: string): string => `${randomBytes(9).toString('hex')}-${name}`;
const digits = (count: number): string => String(randomBytes(8).readBigUInt64LE() + 10n ** 18n).slice(-count);

describe('the words of people who were deleted', () => {
  let service: Service;
  let provider: AuthorizationServer;
  let reader: DataDirReader;
  const dataDir = temporaryDataDir();
  const [deleted, living]: [Person[], Person[]] = [[], []];
  let tenantId: string;

  const ask = async (status: number, ...request: Parameters<Service['request']>) =>
    expectStatus(await service.request(...request), status).body;

  beforeAll(async () => {
    service = await startService({ dataDir, env: ON_SQLITE_LOG });
    provider = await startAuthorizationServer(`${service.url}/v1/connections/callback`);
    const body = { kind: 'oauth2', ...provider.settings, client_secret: CLIENT.secret, scopes: SCOPES };
    await ask(200, 'PUT', '/v1/providers/github', { body });
    await inParallel(numbers(DELETED), AT_ONCE, async (number) => deleted.push(await live(number)));
    await inParallel(numbers(LIVING), 1, async () => living.push(await live(0)));
  }, 600_000);
  afterAll(async () => {
    await provider?.close();
    await service?.kill();
  });

  /** Makes somebody who has something of everything. */
  async function live(number: number): Promise<Person> {
    const words: Word[] = [];
    const say = (label: string, text = unique(label)) => {
      words.push({ label, text });
      return text;
    };
    const metadata = () => ({
      diagnosis: say('diagnosis'),
      birth_year: Number(say('birth_year', digits(15))),
      [say('metadata key')]: true,
      deep: [{ note: say('note') }],
    });
    const email = () => say('email', `${unique('mail')}@example.com`);
    const names = ['username', 'first_name', 'middle_name', 'last_name', 'label', 'role'];
    const person = {
      ...Object.fromEntries(names.map((name) => [name, say(name)])),
      external_id: say('external_id'),
      email: email(),
      phone_number: `+41${say('phone', digits(12))}`,
      teams: [say('team'), say('team')],
      metadata: metadata(),
    };
    const { id, tenant_id } = await createUser(service, person);
    tenantId = tenant_id;
    const path = `/v1/users/${id}`;
    await use(path, say, words);
    if (number % REPEATABLE === 0) await refuse({ external_id: person.external_id }, words);
    if (number % CONNECTED === 0) await connect(path, words);
    if (number % PATCHED === 0) {
      const body = { email: email(), label: say('label'), metadata: metadata(), teams: [say('team')] };
      await ask(200, 'PATCH', path, { body });
      await ask(200, 'PATCH', path, { body: { username: say('username'), role: say('role') } });
    }
    return { id, words };
  }

  async function use(path: string, say: (label: string) => string, words: Word[]): Promise<void> {
    const id = path.split('/').at(-1) ?? '';
    const issued = await service.request<{ raw_key: string }>('POST', `${path}/keys`, {
      body: { name: say('key name') },
      headers: { 'idempotency-key': unique('repeat') },
    });
    const keys = [expectStatus(issued, 201).body, await issueKey(service, id)];
    for (const { raw_key } of keys) {
      expect(await verifyKey(service, raw_key)).toMatchObject({ valid: true });
      words.push({ label: 'raw key', text: raw_key, unguessable: true });
    }
    await ask(200, 'PUT', `${path}/budget`, { body: { limit_usd: '25.00', period: 'monthly' } });
    for (const what of ['spend', 'holds']) {
      const body = { amount_usd: '1.25', description: say('description') };
      await ask(201, 'POST', `${path}/budget/${what}`, { body });
    }
    const secret = say('secret-name');
    for (const name of [secret, secret, say('secret-name')]) {
      await ask(204, 'PUT', `${path}/vault/${name}`, { body: { value: say('secret') } });
    }
    await ask(200, 'GET', `${path}/vault/${secret}`);
  }

  /** What was asked for stays on record for a day. */
  async function refuse(body: object, words: Word[]): Promise<void> {
    const headers = { 'idempotency-key': unique('repeat') };
    await ask(409, 'POST', '/v1/users', { body, headers });
    words.push({ label: 'request', text: JSON.stringify(body) });
  }

  async function connect(path: string, words: Word[]): Promise<void> {
    const connections = `${path}/connections`;
    const asked = await ask(201, 'POST', `${connections}/connect`, { body: { provider: 'github' } });
    const visit = await new Browser([service.url, provider.url]).visit(String(asked.connect_url));
    const code = new URL(visit.path.at(-1) ?? '').searchParams.get('code') ?? '';
    const { access_token } = await ask(200, 'POST', `${connections}/${asked.id}/token`);
    words.push({ label: 'token', text: String(access_token) }, { label: 'code', text: code });
  }

  /** Everywhere that one of the words shows, as it is or as anything that can be made of it. */
  async function search(people: readonly Person[]): Promise<Hit[]> {
    reader = new DataDirReader(dataDir);
    const guesses = await Guesses.of(reader, { tenantId, metadataKeys: METADATA_KEYS });
    const words = people.flatMap((person) => person.words);
    const hits: Hit[] = [];
    for (let first = 0; first < words.length; first += WORDS_A_PASS) {
      const [needles, sought] = [new Needles(), [] as { label: string; form: string }[]];
      for (const { label, text, unguessable } of words.slice(first, first + WORDS_A_PASS)) {
        for (const [form, bytes] of formsOf(text)) needles.add(bytes, sought.push({ label, form }) - 1);
        for (const [form, digest] of unguessable ? [] : guesses.of(text)) {
          const name = sought.push({ label, form }) - 1;
          for (const bytes of formsOfDigest(digest)) needles.add(bytes, name);
        }
      }
      for (const { name: file, bytes } of reader.haystacks) {
        for (const name of needles.in(bytes))
          hits.push({ ...(sought[name] as (typeof sought)[number]), file });
      }
    }
    return [...new Map(hits.map((hit) => [Object.values(hit).join(), hit])).values()];
  }

  /** That the search finds what is there, and so would find what is left. */
  function expectFound(hits: readonly Hit[]): void {
    const found = new Set(hits.map(({ label, form, file }) => `${label}: ${form} in ${file}`));
    const opened = (label: string, file: string) => `${label}: utf-8 in rows of ${file}, opened`;
    const inTheLog = ['email', 'label', 'role', 'team', 'diagnosis', 'key name', 'description', 'secret'];
    for (const label of inTheLog) expect(found).toContain(opened(label, 'log.db'));
    for (const kind of ['external_id', 'username']) {
      expect(
        [...found].filter((each) => each.startsWith(`${kind}: user.${kind} by identifiers in keys.db`)),
      ).not.toEqual([]);
    }
    for (const label of ['email', 'role', 'team', 'diagnosis', 'birth_year', 'metadata key']) {
      const token = `${label}: token by directory-tokens in read/user-directory`;
      expect([...found].filter((each) => each.startsWith(token))).not.toEqual([]);
    }
  }

  it('given them living, then each is found, as it is and by its hashes', async () => {
    expectFound(await search(living));
    expectFound(await search(deleted.slice(0, LIVING)));
  });

  it('given their receipts, then no byte and no hash anywhere is theirs, and the others are found as before', async () => {
    await inParallel(deleted, AT_ONCE, async ({ id }) => {
      await ask(202, 'DELETE', `/v1/users/${id}`);
      await completedDeletion(service, id);
    });
    expect(await search(deleted)).toEqual([]);
    expectFound(await search(living));
  }, 1_800_000);

  it('given a stop, then still none, and no secret of the service is in another file than its own', async () => {
    await service.stop();
    expect(await search(deleted)).toEqual([]);
    expectFound(await search(living));
    const needles = new Needles();
    const secrets = [...reader.secrets, ...reader.subjectKeys];
    for (const [name, { bytes }] of secrets.entries()) {
      for (const form of ['latin1', 'hex', 'base64', 'base64url'] as const) {
        needles.add(Buffer.from(Buffer.from(bytes).toString(form), 'latin1'), name);
      }
    }
    const shown = reader.haystacks.flatMap(({ name: file, bytes }) =>
      [...needles.in(bytes)].map((name) => ({ secret: secrets[name]?.name, file })),
    );
    const own = ['master-key', 'platform-key', 'root-key'];
    expect(shown).toEqual(expect.arrayContaining(own.map((name) => ({ secret: name, file: name }))));
    expect(shown.filter(({ secret, file }) => secret !== file)).toEqual([]);
  }, 1_800_000);
});
