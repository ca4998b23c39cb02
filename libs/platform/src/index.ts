export { decodeCursor, encodeCursor, LIST_ORDERS, type ListOrder } from '#kernel';
export { requireScope } from './access/access.guard.js';
export { apiKeyPrefix, createApiKey, hashApiKey, parseApiKey } from './access/api-key.js';
export {
  AccountKitDirectory,
  type BudgetTerms,
  type Caller,
  type KitTerms,
  type KnownUser,
  type Owner,
  type PlatformAccess,
  PlatformKeys,
  SCOPES,
  type Scope,
  UserDirectory,
} from './access/caller.js';
export { requirePlatformWide } from './access/platform-wide.js';
export { Public, RequireRoot, RequireScope, RequireScopeOrRoot } from './access/requirement.js';
export { CopiesModule, copiesConsumer } from './copies/copies.module.js';
export { COPY_KINDS, type CopyKind } from './copies/copy.js';
export { ifMatch, TakesIfMatch } from './http/conditional.js';
export {
  BooleanField,
  ChoiceField,
  ChoiceListField,
  EmailField,
  IdField,
  MetadataField,
  PhoneField,
  QueryMapField,
  RateLimitsField,
  RevisionField,
  TextField,
  TextListField,
  TimeField,
  UsdField,
} from './http/fields.js';
export { BODY_LIMIT_BYTES } from './http/json-body.js';
export { newestFirst } from './http/newest-first.js';
export { NoQuery, type Page, PageOf, PageQuery } from './http/pagination.js';
export {
  ByUserId,
  type Call,
  CurrentAccess,
  CurrentCall,
  CurrentCaller,
  CurrentContext,
  IdParam,
  UserId,
} from './http/params.js';
export { Position } from './http/position.js';
export { problemOf } from './http/problem.filter.js';
export { requestIdOf } from './http/request-id.js';
export { ConvertedBy, Nested, TOO_LARGE } from './http/validation.js';
export { IdempotentPost } from './idempotency/idempotent-post.js';
export { IdempotentRequests } from './idempotency/idempotent-requests.js';
export { readKafkaSettings, refusedSetting } from './kafka-settings.js';
export { Cascade, type Close, type Closed } from './operations/cascade.js';
export { ContextCommand } from './operations/context-command.js';
export type { Holder, Removed } from './operations/holder.js';
export { Holdings } from './operations/holdings.js';
export { LogAnswers } from './operations/log-answers.js';
export { AppLogger } from './operations/logger.js';
export { type CountsChanges, ProjectionCache } from './operations/projection-cache.js';
export { type Changes, type FollowedLog, ReadModels } from './operations/read-models.js';
export { PlatformModule } from './platform.module.js';
export { runService } from './run-service.js';
export {
  closeOnSignal,
  createApp,
  describeModule,
  listen,
  refusedAddress,
  runToEnd,
  startFollowing,
} from './serve.js';
export { OtherServices } from './services/other-services.js';
export { InvalidSetting, loadSettings, type Settings, secretFile } from './settings.js';
export {
  CLOCK,
  DURABLE_DATABASE,
  EVENT_STORE,
  KEY_STORE,
  MESSAGE_BUS,
  READ_DATABASE,
  SETTINGS,
  SNAPSHOTS,
  STORAGE,
} from './tokens.js';
