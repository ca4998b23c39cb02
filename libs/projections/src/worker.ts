// What a thread that runs projections needs: nothing here loads Nest.
export type { Build } from './build.js';
export { errorName } from './describe-error.js';
export type { Logger } from './logger.js';
export { prepareStatement, type SlotOf } from './prepared-query.js';
export type {
  AnyProjection,
  CreateIndex,
  Projection,
  ProjectionDeps,
  ProjectionModule,
  ProjectionStatus,
  RebuildStatus,
} from './projection.js';
export { ProjectionRunner } from './projection-runner.js';
export { LocalQueries, type Queries, type QueryDeps } from './queries.js';
export type { LiveFile, ReadDatabase } from './read-database.js';
export type { RelayedLog } from './relayed-log.js';
export { FileBuild } from './sqlite/file-build.js';
export { buildingFile, removeFile } from './sqlite/part-files.js';
export { compilable, type PlainQuery } from './sqlite/plain-query.js';
export { RemoteReadFolder } from './sqlite/remote-read-folder.js';
export { SqliteReadFolder } from './sqlite/sqlite-read-folder.js';
export { type IndexedText, TextIndex, type TextQuery } from './sqlite/text-index.js';
