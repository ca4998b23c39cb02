import type { Kysely } from 'kysely';
import { type RecordedEvent, streamId } from '#kernel';
import type { CreateIndex, Projection } from '#worker/projections';
import type { DeletionEvent } from '../domain/deletion.js';
import type { DeletionResource } from '../http/user.dto.js';
import type { DeletionTables } from './tables.js';

export const DELETIONS = 'deletions';

export type Participants = DeletionResource['participants'];

/** Receipts of deletions: they stay for ever and hold nothing personal. */
export class DeletionsProjection implements Projection<DeletionTables> {
  readonly name = DELETIONS;
  readonly version = 1;
  readonly categories = ['deletion'];
  readonly tables = ['deletions'] as const;

  async createTables({ schema }: Kysely<DeletionTables>, createIndex: CreateIndex): Promise<void> {
    await schema
      .createTable('deletions')
      .addColumn('user_id', 'text', (column) => column.primaryKey())
      .addColumn('tenant_id', 'text', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('requested_at', 'text', (column) => column.notNull())
      .addColumn('participants', 'text', (column) => column.notNull())
      .addColumn('key_destroyed_at', 'text')
      .addColumn('completed_at', 'text')
      .addColumn('position', 'bigint', (column) => column.notNull())
      .execute();
    await createIndex('deletions', ['status', 'requested_at']);
  }

  async apply(transaction: Kysely<DeletionTables>, event: RecordedEvent): Promise<void> {
    const userId = streamId(event.stream);
    const position = Number(event.position);
    const { type, data } = event as unknown as DeletionEvent;
    if (type === 'deletion.requested.v1') {
      const participants: Participants = data.participants.map((name) => ({
        name,
        status: 'pending',
        confirmed_at: null,
        removed: {},
      }));
      const { tenant_id, requested_at } = data;
      await transaction
        .insertInto('deletions')
        .values({
          user_id: userId,
          tenant_id,
          status: 'pending',
          requested_at,
          participants: JSON.stringify(participants),
          key_destroyed_at: null,
          completed_at: null,
          position,
        })
        .execute();
      return;
    }
    const changes = await this.changes(transaction, userId, { type, data } as Exclude<
      DeletionEvent,
      { type: 'deletion.requested.v1' }
    >);
    await transaction
      .updateTable('deletions')
      .set({ ...changes, position })
      .where('user_id', '=', userId)
      .execute();
  }

  private async changes(
    transaction: Kysely<DeletionTables>,
    userId: string,
    event: Exclude<DeletionEvent, { type: 'deletion.requested.v1' }>,
  ): Promise<Partial<DeletionTables['deletions']>> {
    switch (event.type) {
      case 'deletion.participant-confirmed.v1': {
        const row = await transaction
          .selectFrom('deletions')
          .select('participants')
          .where('user_id', '=', userId)
          .executeTakeFirstOrThrow();
        const { participant, removed, confirmed_at } = event.data;
        const participants = (JSON.parse(row.participants) as Participants).map((one) =>
          one.name === participant ? { ...one, status: 'confirmed' as const, confirmed_at, removed } : one,
        );
        return { participants: JSON.stringify(participants) };
      }
      case 'deletion.personal-data-key-destroyed.v1':
        return { key_destroyed_at: event.data.destroyed_at };
      case 'deletion.completed.v1':
        return { status: 'completed', completed_at: event.data.completed_at };
      default:
        throw new Error(`${(event as { type: string }).type} is not known to ${this.name}`);
    }
  }
}
