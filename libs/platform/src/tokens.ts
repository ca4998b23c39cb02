/** Injection tokens of the parts that are interfaces. */
export const SETTINGS = Symbol('Settings');
export const CLOCK = Symbol('Clock');
export const EVENT_STORE = Symbol('EventStore');
/** What can't be rebuilt from the log and is no key: a ReadDatabase that loses nothing. */
export const DURABLE_DATABASE = Symbol('durable ReadDatabase');
export const READ_DATABASE = Symbol('ReadDatabase');
/** The processes that share the read database. */
export const REPLICAS = Symbol('Replicas');
export const MESSAGE_BUS = Symbol('MessageBus');
export const SNAPSHOT_STORE = Symbol('SnapshotStore');
export const SNAPSHOTS = Symbol('SnapshotParts');
export const KEY_STORE = Symbol('SubjectKeyStore');
/** The thread that owns the SQLite files of the embedded engines; undefined where there are none. */
export const STORAGE = Symbol('Storage');
