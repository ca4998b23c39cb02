export { type Clock, systemClock } from './clock.js';
export { type CommandContext, systemContext } from './context.js';
export type { Decider, Evolver } from './decider.js';
export {
  type ErrorCode,
  type ErrorDetails,
  type ErrorKind,
  type FieldError,
  found,
  illegalState,
  invalidInput,
  isTenantryError,
  notFound,
  TenantryError,
  unavailable,
} from './errors.js';
export {
  type Actor,
  categoryOf,
  type DomainEvent,
  type EventMetadata,
  type Json,
  type JsonObject,
  type NewEvent,
  type RecordedEvent,
  streamId,
  streamName,
} from './event.js';
export { derivedId, isId, newId, uniqueId } from './ids.js';
export { formatUsd, type MicroUsd, parseUsd } from './money.js';
export {
  drawBytes,
  type RepeatableRequest,
  repeatableRequest,
  runRepeatably,
} from './repeatable-request.js';
export { type SnapshotFormat, snapshotFormat } from './snapshot.js';
