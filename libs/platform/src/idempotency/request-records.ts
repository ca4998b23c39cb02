import { randomBytes } from 'node:crypto';
import { type Migration, migrate, type ReadDatabase } from '#projections';
import { GroupedWrites } from '../operations/grouped-writes.js';

export interface RequestRecord {
  /** HMAC of whose the Idempotency-Key is and of the key itself. */
  name: string;
  /** HMAC of what was asked for and of the Idempotency-Key. */
  fingerprint: string;
  /** Random hex: what is drawn for the request follows from it and the key. */
  nonce: string;
  /** The user or other thing that it is about, where that is known. */
  subject_id: string | null;
  /** Milliseconds since the epoch. */
  started_at: number;
  /** Of the log, in decimal, before it began; null of one that an earlier version wrote. */
  position: string | null;
  /** Sealed; null until it is known, and again once its user was deleted. */
  answer: string | null;
  /** 0 or 1: its user was deleted. */
  forgotten: number;
}

type Schema = { idempotent_requests: RequestRecord };
type NewRecord = Pick<RequestRecord, 'name' | 'fingerprint' | 'subject_id' | 'started_at'>;

const MIGRATIONS: Migration[] = [
  async ({ schema }) => {
    await schema
      .createTable('idempotent_requests')
      .ifNotExists()
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('fingerprint', 'text', (column) => column.notNull())
      .addColumn('nonce', 'text', (column) => column.notNull())
      .addColumn('subject_id', 'text')
      .addColumn('started_at', 'bigint', (column) => column.notNull())
      .addColumn('answer', 'text')
      .addColumn('forgotten', 'integer', (column) => column.notNull())
      .execute();
    for (const column of ['subject_id', 'started_at']) {
      const index = schema.createIndex(`idempotent_requests_${column}`).ifNotExists();
      await index.on('idempotent_requests').column(column).execute();
    }
  },
  async ({ schema }) => {
    await schema.alterTable('idempotent_requests').addColumn('position', 'text').execute();
  },
];

/** The requests of the last hours that came with an Idempotency-Key. */
export class RequestRecords {
  private readonly writes: GroupedWrites;

  constructor(
    private readonly database: ReadDatabase,
    private readonly lifetimeMs: number,
  ) {
    this.writes = new GroupedWrites(database);
  }

  createTable(): Promise<void> {
    return migrate(this.database, 'idempotent requests', MIGRATIONS);
  }

  /** The record of this name, durable; `isNew` where this call made it, as of `head`. One that is too old counts as none. */
  async begin(wanted: NewRecord, head: () => Promise<bigint>): Promise<RequestRecord & { isNew: boolean }> {
    const known = await this.find(wanted);
    if (known) return { ...known, isNew: false };
    const position = String(await head());
    const made = { ...wanted, position, nonce: randomBytes(16).toString('hex'), answer: null, forgotten: 0 };
    await this.writes.write(
      this.tables()
        .insertInto('idempotent_requests')
        .values(made)
        .onConflict((conflict) =>
          conflict
            .column('name')
            .doUpdateSet(made)
            .where('idempotent_requests.started_at', '<=', wanted.started_at - this.lifetimeMs),
        ),
    );
    const record = await this.find(wanted);
    if (!record) throw new Error('an idempotent request was removed while it began');
    return { ...record, isNew: record.nonce === made.nonce };
  }

  complete({ name, nonce }: RequestRecord, subjectId: string | null, answer: string): Promise<void> {
    return this.writes.write(
      this.tables()
        .updateTable('idempotent_requests')
        .set({ answer, subject_id: subjectId })
        .where('name', '=', name)
        .where('nonce', '=', nonce)
        .where('forgotten', '=', 0),
    );
  }

  /** As if it had never come. */
  remove({ name, nonce }: RequestRecord): Promise<void> {
    const ofName = this.tables().deleteFrom('idempotent_requests').where('name', '=', name);
    return this.writes.write(ofName.where('nonce', '=', nonce));
  }

  /** Keeps of a user's requests only that they came. */
  async forget(subjectId: string): Promise<void> {
    // Each service that held something asks, and most users have no such request: a look costs no commit.
    const requests = this.tables().selectFrom('idempotent_requests').select('name');
    if (!(await requests.where('subject_id', '=', subjectId).executeTakeFirst())) return;
    await this.writes.write(
      this.tables()
        .updateTable('idempotent_requests')
        .set({ answer: null, forgotten: 1 })
        .where('subject_id', '=', subjectId),
    );
  }

  removeExpired(now: number): Promise<void> {
    const all = this.tables().deleteFrom('idempotent_requests');
    return this.writes.write(all.where('started_at', '<=', now - this.lifetimeMs));
  }

  find({ name, started_at }: Pick<NewRecord, 'name' | 'started_at'>): Promise<RequestRecord | undefined> {
    return this.tables()
      .selectFrom('idempotent_requests')
      .selectAll()
      .where('name', '=', name)
      .where('started_at', '>', started_at - this.lifetimeMs)
      .executeTakeFirst();
  }

  private tables() {
    return this.database.reader<Schema>();
  }
}
