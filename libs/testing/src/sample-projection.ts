import type { Kysely } from 'kysely';
import type { EventStore } from '#event-store';
import { type NewEvent, newId, type RecordedEvent, streamId } from '#kernel';
import type { CreateIndex, Projection, ReadDatabase } from '#projections';
import { lastRevision } from './whole-stream.js';

export interface SampleSchema {
  accounts: { id: string; balance: number; revision: number };
  movements: { position: number; account_id: string; amount: number };
}

export interface SampleTables {
  accounts: SampleSchema['accounts'][];
  movements: SampleSchema['movements'][];
}

/**
 * A small read model that shows every event applied twice, missed or out of order: balances add up, revisions must
 * follow one another, and movements have the event's position as their key.
 */
export class SampleProjection implements Projection<SampleSchema> {
  readonly categories = ['account'];
  readonly tables = ['accounts', 'movements'] as const;
  /** Called before each event is applied, to fail or to wait. */
  beforeApply: (event: RecordedEvent) => Promise<void> | void = () => undefined;

  constructor(
    readonly name = 'accounts',
    readonly version = 1,
  ) {}

  async createTables({ schema }: Kysely<SampleSchema>, createIndex: CreateIndex): Promise<void> {
    await schema
      .createTable('accounts')
      .addColumn('id', 'text', (column) => column.notNull())
      .addColumn('balance', 'integer', (column) => column.notNull())
      .addColumn('revision', 'integer', (column) => column.notNull())
      .addPrimaryKeyConstraint('accounts_key', ['id'])
      .execute();
    await schema
      .createTable('movements')
      .addColumn('position', 'bigint', (column) => column.primaryKey())
      .addColumn('account_id', 'text', (column) => column.notNull())
      .addColumn('amount', 'integer', (column) => column.notNull())
      .execute();
    await createIndex('accounts', ['balance']);
    await createIndex('movements', ['account_id', 'position'], { unique: true });
  }

  async apply(transaction: Kysely<SampleSchema>, event: RecordedEvent): Promise<void> {
    await this.beforeApply(event);
    const id = streamId(event.stream);
    const amount = Number(event.data.amount);
    const { revision } = event;
    await transaction
      .insertInto('movements')
      .values({ position: Number(event.position), account_id: id, amount })
      .execute();
    if (revision === 0) {
      await transaction.insertInto('accounts').values({ id, balance: amount, revision }).execute();
      return;
    }
    const { numUpdatedRows } = await transaction
      .updateTable('accounts')
      .set((account) => ({ balance: account('balance', '+', amount), revision }))
      .where('id', '=', id)
      .where('revision', '=', revision - 1)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows !== 1n) throw new RangeError('an event was missed');
  }
}

/** What the tables must hold after these events, in the order of their keys. */
export function foldSample(events: readonly RecordedEvent[]): SampleTables {
  const accounts = new Map<string, SampleSchema['accounts']>();
  const movements: SampleTables['movements'] = [];
  for (const { stream, data, revision, position } of events) {
    if (!stream.startsWith('account-')) continue;
    const [id, amount] = [streamId(stream), Number(data.amount)];
    movements.push({ position: Number(position), account_id: id, amount });
    accounts.set(id, { id, balance: (accounts.get(id)?.balance ?? 0) + amount, revision });
  }
  return { accounts: [...accounts.values()].sort((a, b) => (a.id < b.id ? -1 : 1)), movements };
}

export async function readSample(database: ReadDatabase): Promise<SampleTables> {
  const reader = database.reader<SampleSchema>();
  return {
    accounts: await reader.selectFrom('accounts').selectAll().orderBy('id').execute(),
    movements: await reader.selectFrom('movements').selectAll().orderBy('position').execute(),
  };
}

export const sampleEvent = (amount: number, type = 'account.moved.v1'): NewEvent => ({
  id: newId(),
  type,
  at: '2026-01-01T00:00:00.000Z',
  data: { amount, memo: 'private memo' },
  metadata: {
    platformId: null,
    tenantId: null,
    actor: { type: 'system', id: 'test' },
    correlationId: `correlation-${amount}`,
    causationId: 'test',
  },
});

/** Appends one event to the end of a stream. */
export async function appendSample(
  store: EventStore,
  stream: string,
  amount: number,
): Promise<RecordedEvent> {
  const revision = await lastRevision(store, stream);
  const expected = revision < 0 ? 'no_stream' : revision;
  const [event] = (await store.append(stream, expected, [sampleEvent(amount)])).events;
  if (!event) throw new Error('nothing was appended');
  return event;
}
