export {
  type AccountKitCreated,
  type AccountKitDeleted,
  type AccountKitTerms,
  type AccountKitUpdated,
  type DeadLettered,
  MESSAGE_TYPES,
  type Message,
  type ParticipantConfirmed,
  type PlatformCreated,
  type PlatformKeyIssued,
  type PlatformKeyRevoked,
  type TenantCreated,
  type TenantDeleted,
  TOPICS,
  type UserCreated,
  type UserDeleted,
  type UserStatus,
  type UserUpdated,
} from './messages.js';
export { DATA_SCHEMAS, type JsonSchema } from './schemas.js';
export { validateMessage } from './validate-message.js';
