export { decrypt, encrypt, IV_BYTES } from './aes-gcm.js';
export { blindIndex } from './blind-index.js';
export { PersonalDataCodec } from './personal-data-codec.js';
export {
  type KeyDatabase,
  PostgresKeyStore,
  type PostgresKeyStoreOptions,
} from './postgres/postgres-key-store.js';
export { Sealer } from './sealer.js';
export { SnapshotSealer } from './snapshot-sealer.js';
export { SqliteKeyStore, type SqliteKeyStoreOptions } from './sqlite-key-store.js';
export type { SubjectKeyStore } from './subject-keys.js';
