export { LogFollower, type LogFollowerOptions } from './log-follower.js';
export type { Logger } from './logger.js';
export { type Migration, migrate } from './migrations.js';
export { PostgresPool, preparePostgres } from './postgres/postgres-pool.js';
export { PostgresReadDatabase } from './postgres/postgres-read-database.js';
export { PostgresReplicas } from './postgres/postgres-replicas.js';
export { parsePostgresUrl } from './postgres/postgres-url.js';
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
export { replay } from './replay.js';
export { type Replicas, type Role, singleProcess } from './replicas.js';
export { SqliteReadDatabase } from './sqlite/sqlite-read-database.js';
export { type IndexedText, TextIndex, type TextQuery } from './sqlite/text-index.js';
