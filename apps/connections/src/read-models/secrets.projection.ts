import type { Kysely } from 'kysely';
import { type RecordedEvent, streamId } from '#kernel';
import type { CreateIndex, Projection } from '#worker/projections';
import type { SecretDeleted, SecretPut } from '../domain/vault.js';
import type { VaultTables } from './tables.js';

export const SECRETS = 'secrets';

/** A put secret as the log holds it: name and value are one sealed text. */
type SealedSecret = Omit<SecretPut['data'], 'personal'> & { personal: string };

/** The secrets that there are, sealed; a row goes with its secret, and all go when the vault closes. */
export class SecretsProjection implements Projection<VaultTables> {
  readonly name = SECRETS;
  readonly version = 1;
  readonly categories = ['vault'];
  readonly tables = ['secrets'] as const;

  async createTables({ schema }: Kysely<VaultTables>, createIndex: CreateIndex): Promise<void> {
    await schema
      .createTable('secrets')
      .addColumn('user_id', 'text', (column) => column.notNull())
      .addColumn('name_index', 'text', (column) => column.notNull())
      .addColumn('tenant_id', 'text', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('version', 'bigint', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'text', (column) => column.notNull())
      .addColumn('sealed', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('secrets_key', ['user_id', 'name_index'])
      .execute();
    await createIndex('secrets', ['user_id', 'sequence']);
  }

  async apply(transaction: Kysely<VaultTables>, event: RecordedEvent): Promise<void> {
    switch (event.type) {
      case 'vault.secret-put.v1':
        return this.put(transaction, event);
      case 'vault.secret-read.v1':
        return;
      case 'vault.secret-deleted.v1':
        return this.deleted(transaction, event);
      case 'vault.closed.v1':
        return this.closed(transaction, event);
      default:
        throw new Error(`${event.type} is not known to ${this.name}`);
    }
  }

  private async put(transaction: Kysely<VaultTables>, event: RecordedEvent): Promise<void> {
    const { tenant_id, name_index, version, personal } = event.data as unknown as SealedSecret;
    const user_id = streamId(event.stream);
    const latest = { version, sealed: personal, updated_at: event.at };
    if (version === 1) {
      const made = { user_id, name_index, tenant_id, sequence: Number(event.position), created_at: event.at };
      await transaction
        .insertInto('secrets')
        .values({ ...made, ...latest })
        .execute();
      return;
    }
    await transaction
      .updateTable('secrets')
      .set(latest)
      .where('user_id', '=', user_id)
      .where('name_index', '=', name_index)
      .execute();
  }

  private async deleted(transaction: Kysely<VaultTables>, event: RecordedEvent): Promise<void> {
    const { name_index } = event.data as unknown as SecretDeleted['data'];
    await transaction
      .deleteFrom('secrets')
      .where('user_id', '=', streamId(event.stream))
      .where('name_index', '=', name_index)
      .execute();
  }

  private async closed(transaction: Kysely<VaultTables>, event: RecordedEvent): Promise<void> {
    await transaction.deleteFrom('secrets').where('user_id', '=', streamId(event.stream)).execute();
  }
}
