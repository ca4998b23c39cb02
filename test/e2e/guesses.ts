import { createDecipheriv, createHash, createHmac } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type UserFilter, UserTokens } from '../../apps/tenant-users/src/read-models/user-tokens.js';
import type { IdentifierKind } from '../../libs/kernel/src/identifier.js';
import { blindIndex } from '../../libs/privacy/src/blind-index.js';
import type { IdentifierRows } from '../../libs/privacy/src/identifier-rows.js';
import { IdentifierRegistry } from '../../libs/privacy/src/identifiers.js';
import { keyLabel, MasterKey } from '../../libs/privacy/src/master-key.js';

const IDENTIFIERS: IdentifierKind[] = [
  'user.external_id',
  'user.username',
  'tenant.external_id',
  'account.email',
];
const SEALED = /v[12]\.(\d+)\.([\w-]{38,})/g;
const [IV_BYTES, TAG_BYTES] = [12, 16];
/** What GCM counts from once it has made the key of its tag. */
const FIRST_COUNTER = Buffer.from([0, 0, 0, 2]);

interface Secret {
  name: string;
  bytes: Uint8Array;
}

export interface Haystack {
  name: string;
  bytes: Buffer;
}

/** Where words have been used. */
export interface Places {
  tenantId: string;
  metadataKeys: readonly string[];
}

/** All that whoever has the data dir can make use of: its files, the rows in them, its keys and what these open. */
export class DataDirReader {
  readonly secrets: Secret[];
  readonly haystacks: Haystack[] = [];
  readonly #subjectKeys = new Map<string, Uint8Array>();

  constructor(folder: string) {
    const text = (name: string) => readFileSync(join(folder, name), 'utf8').trim();
    const master = Buffer.from(text('master-key'), 'base64');
    const keys = new DatabaseSync(join(folder, 'keys.db'), { readOnly: true });
    const unwrap = (label: string, wrapped: unknown) =>
      new MasterKey(master).unwrap(label, wrapped as Uint8Array);
    const secrets = keys.prepare('SELECT name, wrapped FROM secrets').all();
    const living = keys.prepare(
      'SELECT id, wrapped FROM subject_keys WHERE id NOT IN (SELECT id FROM destroyed_keys)',
    );
    for (const { id, wrapped } of living.all()) {
      this.#subjectKeys.set(String(id), unwrap(keyLabel(String(id)), wrapped));
    }
    this.secrets = [
      { name: 'master-key', bytes: master },
      ...['root-key', 'platform-key'].map((name) => ({ name, bytes: Buffer.from(text(name)) })),
      ...secrets.map(({ name, wrapped }) => ({
        name: String(name),
        bytes: unwrap(`secret ${name}`, wrapped),
      })),
    ];
    keys.close();
    this.#read(folder);
  }

  get subjectKeys(): Secret[] {
    return [...this.#subjectKeys].map(([id, bytes]) => ({ name: `subject key ${id}`, bytes }));
  }

  #read(folder: string): void {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    for (const path of files) {
      const name = relative(folder, path);
      this.#add(name, readFileSync(path));
      // A long value does not stand in one piece in its file.
      if (name.endsWith('.db')) this.#add(`rows of ${name}`, Buffer.from(rowsOf(path)));
    }
    const snapshots = new DatabaseSync(join(folder, 'keys.db'), { readOnly: true });
    const key = this.secrets.find(({ name }) => name === 'snapshots');
    for (const { sealed } of snapshots
      .prepare("SELECT sealed FROM snapshots WHERE key_id = 'service'")
      .all()) {
      if (key) this.haystacks.push({ name: 'snapshots, opened', bytes: opened(key.bytes, String(sealed)) });
    }
    snapshots.close();
  }

  #add(name: string, bytes: Buffer): void {
    this.haystacks.push({ name, bytes });
    const texts = [...bytes.toString('latin1').matchAll(SEALED)].flatMap(([, id = '', sealed = '']) => {
      const key = this.#subjectKeys.get(id);
      return key ? [opened(key, sealed)] : [];
    });
    this.haystacks.push({ name: `${name}, opened`, bytes: Buffer.concat(texts) });
  }
}

function rowsOf(file: string): string {
  const database = new DatabaseSync(file, { readOnly: true });
  const tables = database.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'",
  );
  const texts = tables
    .all()
    .flatMap(({ name }) => database.prepare(`SELECT * FROM "${name}"`).all())
    .flatMap((row) => Object.values(row).filter((value) => typeof value === 'string'));
  database.close();
  return texts.join('\n');
}

/** Whatever it was bound to: without its tag GCM is no more than CTR. */
function opened(key: Uint8Array, sealed: string): Buffer {
  const bytes = Buffer.from(sealed, 'base64url');
  const counter = Buffer.concat([bytes.subarray(0, IV_BYTES), FIRST_COUNTER]);
  return createDecipheriv('aes-256-ctr', key, counter).update(bytes.subarray(IV_BYTES, -TAG_BYTES));
}

type Guess = [form: string, digest: Buffer];

/** Makes of a word whatever the service derives from words, and plain hashes, under each secret. */
export class Guesses {
  readonly #makers: ((word: string) => Guess[])[];

  private constructor(makers: ((word: string) => Guess[])[]) {
    this.#makers = makers;
  }

  static async of({ secrets, subjectKeys }: DataDirReader, places: Places): Promise<Guesses> {
    const named = await Promise.all(secrets.map((secret) => derived(secret, places)));
    return new Guesses([bare, ...named, ...[...secrets, ...subjectKeys].map(keyed)]);
  }

  of(word: string): Guess[] {
    return this.#makers.flatMap((make) => make(word));
  }
}

const bare = (word: string): Guess[] =>
  ['md5', 'sha1', 'sha256', 'sha512'].map((name) => [name, createHash(name).update(word).digest()]);

const keyed =
  ({ name, bytes }: Secret) =>
  (word: string): Guess[] => {
    const hex = Buffer.from(bytes).toString('hex');
    return [
      [`HMAC-SHA-256 by ${name}`, createHmac('sha256', bytes).update(word).digest()],
      [`HMAC-SHA-512 by ${name}`, createHmac('sha512', bytes).update(word).digest()],
      [`SHA-256 after ${name}`, createHash('sha256').update(bytes).update(word).digest()],
      [`SHA-256 after ${name} in hexadecimal`, createHash('sha256').update(`${hex}${word}`).digest()],
      [`blind index by ${name}`, blindIndex(bytes, word)],
    ];
  };

/** As the registry of identifiers, the directory and the records of repeatable requests make them. */
async function derived({ name, bytes }: Secret, { tenantId, metadataKeys }: Places) {
  const secret = async () => bytes;
  const registry = await IdentifierRegistry.open({ secret, identifiers: {} as IdentifierRows });
  const identifier = (kind: IdentifierKind, value: string): Guess => [
    `${kind} by ${name}`,
    // After the byte of its kind.
    Buffer.from(registry.digest({ kind, scope: tenantId, value })).subarray(1),
  ];
  const tokens = new UserTokens(bytes);
  const filters = (word: string): UserFilter[] => [
    { email: word, role: word, team: word },
    ...metadataKeys.map((key) => ({ metadata: new Map([[key, word]]) })),
    { metadata: new Map([[word, 'true']]) },
  ];
  return (word: string): Guess[] => [
    ...IDENTIFIERS.map((kind) => identifier(kind, word)),
    ...filters(word)
      .flatMap((filter) => tokens.ofFilter(tenantId, filter))
      .map((token): Guess => [`token by ${name}`, Buffer.from(token, 'hex')]),
    [`request by ${name}`, blindIndex(bytes, 'request', 'POST', '/v1/users', word)],
  ];
}

const [RAW_BYTES, TAIL_DIGITS, BASE64_DIGITS] = [8, 12, 10];

/** How a digest shows, whole or cut to 8 bytes; a full-text index leaves out what a word shares with the one before. */
export function formsOfDigest(digest: Buffer): Buffer[] {
  const hex = digest.toString('hex', 0, RAW_BYTES);
  const base64 = digest.toString('base64').slice(0, BASE64_DIGITS);
  const url = digest.toString('base64url').slice(0, BASE64_DIGITS);
  const texts = [hex, hex.slice(-TAIL_DIGITS), base64, ...(url === base64 ? [] : [url])];
  return [digest.subarray(0, RAW_BYTES), ...texts.map((text) => Buffer.from(text))];
}
