import type { Kysely } from 'kysely';
import { type RecordedEvent, streamId } from '#kernel';
import type { CreateIndex, Projection } from '#worker/projections';
import type { ProviderEvent } from '../domain/provider.js';
import type { ConnectionTables } from './tables.js';

export const PROVIDERS = 'providers';

/** The providers that there are, without their secrets. */
export class ProvidersProjection implements Projection<ConnectionTables> {
  readonly name = PROVIDERS;
  readonly version = 1;
  readonly categories = ['provider'];
  readonly tables = ['providers'] as const;

  async createTables({ schema }: Kysely<ConnectionTables>, createIndex: CreateIndex): Promise<void> {
    await schema
      .createTable('providers')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('platform_id', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('settings', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'text', (column) => column.notNull())
      .execute();
    await createIndex('providers', ['platform_id', 'sequence']);
  }

  async apply(transaction: Kysely<ConnectionTables>, event: RecordedEvent): Promise<void> {
    const id = streamId(event.stream);
    const { type, data } = event as unknown as ProviderEvent;
    switch (type) {
      case 'provider.configured.v1': {
        const { platform_id, name, subject_key: _, sealed, ...rest } = data;
        const settings = JSON.stringify({ ...rest, has_secret: sealed !== null });
        const sequence = Number(event.position);
        await transaction
          .insertInto('providers')
          .values({ id, platform_id, name, sequence, settings, created_at: event.at, updated_at: event.at })
          .onConflict((conflict) => conflict.column('id').doUpdateSet({ settings, updated_at: event.at }))
          .execute();
        return;
      }
      case 'provider.removed.v1':
        await transaction.deleteFrom('providers').where('id', '=', id).execute();
        return;
      default:
        throw new Error(`${event.type} is not known to ${this.name}`);
    }
  }
}
