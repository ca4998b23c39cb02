export { KEYS_PART, type StorageFiles } from './protocol.js';
export { Reader } from './reader.js';
export { RemoteProjections } from './remote-projections.js';
export { Storage, type StorageLog } from './storage.js';
export { keyWriter, logWriter, messageWriter, queryWriter, snapshotWriter } from './writers.js';
