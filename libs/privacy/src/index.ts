export { decrypt, encrypt, IV_BYTES } from './aes-gcm.js';
export { blindIndex } from './blind-index.js';
export type { Claim, IdentifierRows, KeyCollision, KeyHolding, TakenKey } from './identifier-rows.js';
export { IdentifierReader, IdentifierTable } from './identifier-table.js';
export { type Collision, type Holding, IdentifierRegistry } from './identifiers.js';
export { PersonalDataCodec } from './personal-data-codec.js';
export {
  type KeyDatabase,
  PostgresKeyStore,
  type PostgresKeyStoreOptions,
} from './postgres/postgres-key-store.js';
export { PERSONAL, Sealer } from './sealer.js';
export { SnapshotSealer } from './snapshot-sealer.js';
export type { IdentifierWrite } from './sqlite-identifiers.js';
export { type KeyWriter, SqliteKeyStore } from './sqlite-key-store.js';
export type { SubjectKeyStore } from './subject-keys.js';
