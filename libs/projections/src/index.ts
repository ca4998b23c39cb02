export { LogFollower, type LogFollowerOptions } from './log-follower.js';
export type { Logger } from './logger.js';
export { prepareQuery, prepareStatement, type SlotOf } from './prepared-query.js';
export type {
  AnyProjection,
  CreateIndex,
  FollowerStatus,
  Projection,
  ProjectionFailure,
  ProjectionStatus,
  RebuildStatus,
} from './projection.js';
export { ProjectionRunner, type ProjectionRunnerOptions } from './projection-runner.js';
export type { ReadDatabase } from './read-database.js';
export { type PublicMessage, Relay, type RelayOptions } from './relay.js';
export { SqliteReadDatabase } from './sqlite/sqlite-read-database.js';
