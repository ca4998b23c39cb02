import type { Kysely } from 'kysely';
import { type RecordedEvent, streamId } from '#kernel';
import type { CreateIndex, Projection } from '#worker/projections';
import type { KeyIssued, KeyRevoked, KeyRotated } from '../domain/keyring.js';
import type { KeyRow } from './tables.js';

type RegistryTables = { keys: KeyRow };

export const KEY_REGISTRY = 'key-registry';

/** An issued key as the log holds it: its name is one sealed text. */
type SealedKey = Omit<KeyIssued['data'], 'personal'> & { personal: string };

/** Every key that was ever issued, so that a dead one can be told from one that never was. */
export class KeyRegistryProjection implements Projection<RegistryTables> {
  readonly name = KEY_REGISTRY;
  readonly version = 2;
  readonly categories = ['keyring'];
  readonly tables = ['keys'] as const;

  async createTables({ schema }: Kysely<RegistryTables>, createIndex: CreateIndex): Promise<void> {
    await schema
      .createTable('keys')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('platform_id', 'text', (column) => column.notNull())
      .addColumn('tenant_id', 'text', (column) => column.notNull())
      .addColumn('user_id', 'text', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('key_hash', 'text', (column) => column.notNull())
      .addColumn('key_prefix', 'text', (column) => column.notNull())
      .addColumn('scopes', 'text', (column) => column.notNull())
      .addColumn('personal', 'text')
      .addColumn('revoked', 'integer', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('expires_at', 'text')
      .addColumn('ends_at', 'text')
      .execute();
    await createIndex('keys', ['key_hash'], { unique: true });
    await createIndex('keys', ['user_id', 'sequence']);
  }

  async apply(transaction: Kysely<RegistryTables>, event: RecordedEvent): Promise<void> {
    switch (event.type) {
      case 'keyring.key-issued.v1':
        return this.issued(transaction, event);
      case 'keyring.key-rotated.v1':
        return this.rotated(transaction, event);
      case 'keyring.key-revoked.v1':
        return this.revoked(transaction, event);
      case 'keyring.closed.v1':
        return this.closed(transaction, event);
      default:
        throw new Error(`${event.type} is not known to ${this.name}`);
    }
  }

  private async issued(transaction: Kysely<RegistryTables>, event: RecordedEvent): Promise<void> {
    const data = event.data as unknown as SealedKey;
    await transaction
      .insertInto('keys')
      .values({
        id: data.key_id,
        platform_id: data.platform_id,
        tenant_id: data.tenant_id,
        user_id: streamId(event.stream),
        sequence: Number(event.position),
        key_hash: data.key_hash,
        key_prefix: data.key_prefix,
        scopes: JSON.stringify(data.scopes),
        personal: data.personal,
        revoked: 0,
        created_at: data.issued_at,
        expires_at: data.expires_at,
        ends_at: null,
      })
      .execute();
  }

  /** Without grace the old key was revoked, for good. */
  private async rotated(transaction: Kysely<RegistryTables>, event: RecordedEvent): Promise<void> {
    const { key_id, rotated_at, ends_at } = event.data as unknown as KeyRotated['data'];
    const revoked = ends_at <= rotated_at ? 1 : 0;
    await transaction.updateTable('keys').set({ ends_at, revoked }).where('id', '=', key_id).execute();
  }

  private async revoked(transaction: Kysely<RegistryTables>, event: RecordedEvent): Promise<void> {
    const { key_id } = event.data as unknown as KeyRevoked['data'];
    await transaction.updateTable('keys').set({ revoked: 1 }).where('id', '=', key_id).execute();
  }

  /** Keeps of each key only what tells that it was revoked. */
  private async closed(transaction: Kysely<RegistryTables>, event: RecordedEvent): Promise<void> {
    await transaction
      .updateTable('keys')
      .set({ revoked: 1, personal: null, scopes: '[]', key_prefix: '', expires_at: null, ends_at: null })
      .where('user_id', '=', streamId(event.stream))
      .execute();
  }
}
