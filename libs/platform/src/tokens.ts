/** Injection tokens of the parts that are interfaces. */
export const SETTINGS = Symbol('Settings');
export const CLOCK = Symbol('Clock');
export const EVENT_STORE = Symbol('EventStore');
export const READ_DATABASE = Symbol('ReadDatabase');
export const MESSAGE_BUS = Symbol('MessageBus');
export const KEY_STORE = Symbol('SubjectKeyStore');
