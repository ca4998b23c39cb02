// Files of a data dir that do not belong together: nothing is served from them, and nothing is written to them.
import { createHash, randomUUID } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { filesUnder, type Service } from '#testing';
import { EMBEDDED, unpacked } from './earlier-data-dir.js';
import {
  completedDeletion,
  createUser,
  failedStart,
  inParallel,
  numbers,
  start,
  temporaryDataDir,
  type User,
  walk,
} from './support.js';

const EX_CONFIG = 78;
/** For what takes many starts. */
const LONG_MS = 180_000;
const dirs = { early: temporaryDataDir(), late: temporaryDataDir(), other: temporaryDataDir() };
const old = unpacked();
let earlyUser: User;
let lateUser: User;

const begin = (dataDir: string) => start({ ...EMBEDDED, dataDir });

function copyOf(dataDir: string): string {
  const copy = temporaryDataDir();
  cpSync(dataDir, copy, { recursive: true });
  return copy;
}

/** Puts a file, with what belongs to it, in the place of the one that is there. */
function put(from: string, name: string, dataDir: string): void {
  remove(name, dataDir);
  for (const suffix of ['', '-wal']) {
    const file = join(from, name + suffix);
    if (existsSync(file)) copyFileSync(file, join(dataDir, name + suffix));
  }
}

function remove(name: string, dataDir: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(dataDir, name + suffix), { force: true });
}

/** A digest of each file; of those that SQLite makes for reading none. */
function contents(dataDir: string): Record<string, string> {
  const files = filesUnder(dataDir).filter((file) => !/-shm$|\.lock$/.test(file));
  const digests = files.map((file) => {
    const bytes = readFileSync(file);
    return [file, bytes.length, createHash('sha256').update(bytes).digest('hex')] as const;
  });
  return Object.fromEntries(
    digests
      .filter(([file, length]) => length > 0 || !file.endsWith('-wal'))
      .map(([file, , digest]) => [file, digest]),
  );
}

function removeNewestKeys(dataDir: string): void {
  const keys = new DatabaseSync(join(dataDir, 'keys.db'));
  keys.exec('DELETE FROM subject_keys WHERE id > (SELECT max(id) - 200 FROM subject_keys)');
  keys.close();
}

interface Misfit {
  given: string;
  /** Which data dir is changed. */
  of: () => string;
  change(dataDir: string): void;
  told: RegExp;
}

const MISFITS: Misfit[] = [
  {
    given: 'an older keys.db',
    of: () => dirs.late,
    change: (it) => put(dirs.early, 'keys.db', it),
    told: /keys\.db is older than \S+log\.db: it covers the log up to position \d+ \(20\S+Z\), and the log ends at position \d+ \(20\S+Z\)/,
  },
  {
    given: 'no keys.db',
    of: () => dirs.late,
    change: (it) => remove('keys.db', it),
    told: /keys\.db is missing or new beside \S+log\.db, which ends at position \d+/,
  },
  {
    given: "another installation's keys.db",
    of: () => dirs.late,
    change: (it) => put(dirs.other, 'keys.db', it),
    told: /keys\.db belongs to another installation than \S+log\.db/,
  },
  {
    given: 'an older log.db',
    of: () => dirs.late,
    change: (it) => put(dirs.early, 'log.db', it),
    told: /log\.db is older than \S+keys\.db: it ends at position \d+ \(20\S+Z\), and \S+keys\.db knows of position \d+/,
  },
  {
    given: 'no log.db',
    of: () => dirs.late,
    change: (it) => remove('log.db', it),
    told: /log\.db is older than \S+keys\.db: it is missing/,
  },
  {
    given: 'a bus.db that is newer than the rest',
    of: () => dirs.early,
    change: (it) => put(dirs.late, 'bus.db', it),
    told: /log\.db is older than \S+bus\.db/,
  },
  {
    given: 'a keys.db that is no database',
    of: () => dirs.late,
    change: (it) => writeFileSync(join(it, 'keys.db'), 'x'.repeat(10_000)),
    told: /keys\.db cannot be opened: file is not a database/,
  },
  {
    given: 'a log.db that is cut off',
    of: () => dirs.late,
    change: (it) => truncateSync(join(it, 'log.db'), 10_000),
    told: /log\.db cannot be opened: \S+/,
  },
  {
    given: 'an earlier data dir without its keys.db',
    of: () => old,
    change: (it) => remove('keys.db', it),
    told: /keys\.db is missing or new beside \S+log\.db, which ends at position 4120/,
  },
  {
    given: 'an earlier data dir whose keys.db is older',
    of: () => old,
    change: removeNewestKeys,
    told: /keys\.db is older than \S+log\.db: it lacks the key that position 4120 \(20\S+Z\) names/,
  },
  {
    given: 'an earlier data dir with the keys.db of another installation',
    of: () => old,
    change: (it) => put(dirs.other, 'keys.db', it),
    told: /keys\.db is older than \S+log\.db: it lacks the key that position 4120/,
  },
];

beforeAll(async () => {
  let service = await begin(dirs.early);
  earlyUser = await createUser(service, { label: 'early' });
  expect(await service.stop()).toMatchObject({ code: 0 });
  // What the first start has made is bound to the installation with the second.
  expect(await (await begin(dirs.early)).stop()).toMatchObject({ code: 0 });
  cpSync(dirs.early, dirs.late, { recursive: true });
  service = await begin(dirs.late);
  lateUser = await createUser(service, { label: 'late', external_id: 'late' });
  const gone = await createUser(service);
  await service.request('DELETE', `/v1/users/${gone.id}`);
  await completedDeletion(service, gone.id);
  expect(await service.stop()).toMatchObject({ code: 0 });
  for (const _ of ['first', 'second']) {
    service = await begin(dirs.other);
    // So many that its bus is ahead of the other logs.
    await inParallel(numbers(40), 8, () => createUser(service, { label: 'other' }));
    expect(await service.stop()).toMatchObject({ code: 0 });
  }
}, LONG_MS);

describe('a start on files that do not belong together', () => {
  it.each(MISFITS)('given $given, then exits with 78, one line, and all as it was', async (misfit) => {
    const dataDir = copyOf(misfit.of());
    misfit.change(dataDir);
    const before = contents(dataDir);
    const { code, stdout, stderr } = await failedStart({ ...EMBEDDED, dataDir });
    expect(stderr.split('\n').filter(Boolean)).toEqual([expect.stringMatching(misfit.told)]);
    expect([code, stdout]).toEqual([EX_CONFIG, '']);
    expect(contents(dataDir)).toEqual(before);
  });
});

describe('a start on files that may not be written', () => {
  // Root may write them all the same, unless that right is taken from it.
  const withoutRights = ['setpriv', '--inh-caps=-all', '--bounding-set=-all'];
  const launcher = process.getuid?.() === 0 ? withoutRights : [];
  const modeOf = (file: string): number => statSync(file).mode;

  it.each([
    ['the data dir', '', /log\.db\.lock cannot be opened: \S+/],
    ['log.db', 'log.db', /log\.db cannot be opened: \S+/],
    ['keys.db', 'keys.db', /keys\.db cannot be opened: \S+/],
    ['bus.db', 'bus.db', /bus\.db cannot be opened: \S+/],
    ['the folder of read models', 'read', /read cannot be opened: \S+/],
    ['a read model', 'read/user-directory.db', /user-directory\.db cannot be opened: \S+/],
  ])('given %s, then exits with 78 and one line that names it', async (_, name, told) => {
    const dataDir = copyOf(dirs.late);
    const file = join(dataDir, name);
    const mode = modeOf(file);
    chmodSync(file, mode & ~0o222);
    const { code, stdout, stderr } = await failedStart({ ...EMBEDDED, dataDir, launcher });
    chmodSync(file, mode);
    expect(stderr.split('\n').filter(Boolean)).toEqual([expect.stringMatching(told)]);
    expect([code, stdout]).toEqual([EX_CONFIG, '']);
  });
});

describe('a start on a log and its keys', () => {
  const usersOf = async (service: Service) => {
    const { rows } = await walk<User>(service, '/v1/users');
    return rows.map(({ label }) => label).filter(Boolean);
  };

  const putReadModels = (from: string, dataDir: string): void => {
    rmSync(join(dataDir, 'read'), { recursive: true });
    cpSync(join(from, 'read'), join(dataDir, 'read'), { recursive: true });
  };
  const damage = (dataDir: string) =>
    writeFileSync(join(dataDir, 'read/user-directory.db'), 'x'.repeat(10_000));

  it.each([
    ['that are newer', 'early', (it: string) => putReadModels(dirs.late, it)],
    ['of another installation', 'late', (it: string) => putReadModels(dirs.other, it)],
    ['of which one is damaged', 'late', damage],
  ] as const)('given read models %s, then they are made anew', async (_, of, change) => {
    const dataDir = copyOf(dirs[of]);
    change(dataDir);
    const labels = of === 'late' ? ['late', 'early', 'Default user'] : ['early', 'Default user'];
    const service = await begin(dataDir);
    expect(await usersOf(service)).toEqual(labels);
    expect((await service.request('GET', `/v1/users/${lateUser.id}`)).status).toBe(of === 'late' ? 200 : 404);
    expect((await service.request('GET', `/v1/users/${earlyUser.id}`)).status).toBe(200);
    expect(service.logs()).toContain('is made anew');
    expect(await service.stop()).toMatchObject({ code: 0 });
  });

  it("given another installation's bus.db, then it is made anew and deletions are completed", async () => {
    const dataDir = copyOf(dirs.late);
    put(dirs.other, 'bus.db', dataDir);
    const service = await begin(dataDir);
    expect(service.logs()).toContain('is made anew');
    await service.request('DELETE', `/v1/users/${lateUser.id}`);
    await completedDeletion(service, lateUser.id);
    expect(await service.stop()).toMatchObject({ code: 0 });
  });

  it('given an older log that is accepted, then its users are served and new ones are made', async () => {
    const dataDir = copyOf(dirs.late);
    put(dirs.early, 'log.db', dataDir);
    const env = { ...EMBEDDED.env, TENANTRY_ACCEPT_OLDER_LOG: 'true' };
    const service = await start({ ...EMBEDDED, dataDir, env });
    const made = await createUser(service, { label: 'new', external_id: 'late' });
    expect(await usersOf(service)).toEqual(['new', 'early', 'Default user']);
    await service.request('DELETE', `/v1/users/${made.id}`);
    await completedDeletion(service, made.id);
    expect(await service.stop()).toMatchObject({ code: 0 });
    expect(await (await begin(dataDir)).stop()).toMatchObject({ code: 0 });
  });

  it(
    'given a kill at any time, then it starts again and has what was acknowledged',
    async () => {
      const dataDir = temporaryDataDir();
      const acknowledged: string[] = [];
      for (const round of numbers(6)) {
        const service = await begin(dataDir);
        const creating = inParallel(numbers(400), 8, async (index) => {
          const user = await createUser(service, { external_id: randomUUID() });
          acknowledged.push(user.id);
          if (index % 4 === 0) await service.request('DELETE', `/v1/users/${user.id}`);
        });
        const wanted = acknowledged.length + 5 + 10 * round;
        while (acknowledged.length < wanted) await sleep(5);
        await service.kill();
        await creating.catch(() => undefined);
      }
      const service = await begin(dataDir);
      const found = await inParallel(acknowledged, 8, (id) => service.request('GET', `/v1/users/${id}`));
      expect(new Set(found.map(({ status }) => status))).toEqual(new Set([200, 404]));
      expect(service.logs()).not.toContain('is made anew');
      expect(await service.stop()).toMatchObject({ code: 0 });
    },
    LONG_MS,
  );
});
