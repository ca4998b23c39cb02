export { type FollowedProjection, FollowedProjections } from './followed-projections.js';
export { LogFollower, type LogFollowerOptions } from './log-follower.js';
export type { Logger } from './logger.js';
export { type Migration, migrate } from './migrations.js';
export { PositionTracker } from './position-tracker.js';
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
  ProjectionDeps,
  ProjectionFailure,
  ProjectionModule,
  ProjectionStatus,
  Projections,
  RebuildStatus,
} from './projection.js';
export { ProjectionRunner, type ProjectionRunnerOptions } from './projection-runner.js';
export { LocalQueries, type QueryRunner } from './queries.js';
export type { ReadDatabase } from './read-database.js';
export { Readability } from './readability.js';
export { Relay, type RelayOptions } from './relay.js';
export type { PublicMessage, RelayedLog } from './relayed-log.js';
export { replay } from './replay.js';
export { type Replicas, type Role, singleProcess } from './replicas.js';
export { type QueryWriter, RemotePart, RemoteReadFolder } from './sqlite/remote-read-folder.js';
export { SqliteReadDatabase } from './sqlite/sqlite-read-database.js';
export { SqliteReadFolder } from './sqlite/sqlite-read-folder.js';
export { type IndexedText, TextIndex, type TextQuery } from './sqlite/text-index.js';
