export { type Clock, systemClock } from './clock.js';
export { type CommandContext, systemContext } from './context.js';
export { decodeCursor, encodeCursor, LIST_ORDERS, type ListOrder, pageOf } from './cursor.js';
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
export { FairTurns } from './fair-turns.js';
export { fold, foldEmail } from './fold.js';
export type { Identifier, IdentifierKind } from './identifier.js';
export { derivedId, isId, newId, uniqueId } from './ids.js';
export { inLanes } from './lanes.js';
export { LoopTurns } from './loop-turns.js';
export { formatUsd, type MicroUsd, parseUsd } from './money.js';
export { randomOctets } from './random.js';
export {
  drawBytes,
  type RepeatableRequest,
  repeatableRequest,
  runRepeatably,
} from './repeatable-request.js';
export { type SnapshotFormat, snapshotFormat } from './snapshot.js';
export { Turns } from './turns.js';
