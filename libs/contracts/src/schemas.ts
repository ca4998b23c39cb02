import { MESSAGE_TYPES } from './messages.js';

/** A JSON Schema (draft-07 and 2020-12 alike: only keywords that mean the same in both). */
export type JsonSchema = { readonly [keyword: string]: unknown };

const text: JsonSchema = { type: 'string', minLength: 1, maxLength: 200 };
const uuid: JsonSchema = {
  type: 'string',
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
};
const dateTime: JsonSchema = {
  type: 'string',
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?Z$',
};
const count: JsonSchema = { type: 'integer', minimum: 0 };
const status: JsonSchema = { enum: ['active', 'suspended', 'inactive', 'archived'] };
const anyObject: JsonSchema = { type: 'object' };
const sha256: JsonSchema = { type: 'string', pattern: '^[0-9a-f]{64}$' };
const texts: JsonSchema = { type: 'array', items: text };
const orNull = (schema: JsonSchema): JsonSchema => ({ anyOf: [{ type: 'null' }, schema] });

const record = (properties: { [name: string]: JsonSchema }): JsonSchema => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

/** None of them is required: an update holds those that changed. */
const kitTerms: JsonSchema = {
  type: 'object',
  properties: {
    key_scopes: orNull(texts),
    rate_limits: {
      type: 'object',
      additionalProperties: record({ limit: count, window_seconds: count }),
    },
    allowed_providers: orNull(texts),
  },
};
const accountKit = { platform_id: uuid, account_kit_id: uuid };

const tenantScope = { platform_id: uuid, tenant_id: uuid };
const user = { ...tenantScope, user_id: uuid };

/**
 * What the `data` of each message type holds, exactly. Ids must be UUIDs, so that nothing that names a person
 * can stand in their place. The version is part of the type's name: a stored schema never changes in a way
 * that refuses what it once accepted.
 */
export const DATA_SCHEMAS: { readonly [type: string]: JsonSchema } = {
  [MESSAGE_TYPES.platformCreated]: record({
    platform_id: uuid,
    default_tenant_id: uuid,
    default_account_kit_id: uuid,
  }),
  [MESSAGE_TYPES.tenantCreated]: record({ ...tenantScope, default_user_id: uuid }),
  [MESSAGE_TYPES.tenantDeleted]: record(tenantScope),
  [MESSAGE_TYPES.platformKeyIssued]: record({
    platform_id: uuid,
    key_id: uuid,
    key_hash: sha256,
    scopes: texts,
    tenant_id: orNull(uuid),
    expires_at: orNull(dateTime),
  }),
  [MESSAGE_TYPES.platformKeyRevoked]: record({ platform_id: uuid, key_id: uuid }),
  [MESSAGE_TYPES.accountKitCreated]: record({ ...accountKit, revision: count, terms: kitTerms }),
  [MESSAGE_TYPES.accountKitUpdated]: record({ ...accountKit, revision: count, terms: kitTerms }),
  [MESSAGE_TYPES.accountKitDeleted]: record(accountKit),
  [MESSAGE_TYPES.userCreated]: record({
    ...user,
    account_kit_id: uuid,
    status,
    is_default: { type: 'boolean' },
    opening_budget: orNull(record({ limit_micro_usd: count, period: { enum: ['monthly', 'none'] } })),
    revision: count,
  }),
  [MESSAGE_TYPES.userUpdated]: record({
    ...user,
    account_kit_id: uuid,
    status,
    revision: count,
    changed: texts,
  }),
  [MESSAGE_TYPES.userDeleted]: record({ ...user, revision: count }),
  [MESSAGE_TYPES.participantConfirmed]: record({
    ...user,
    participant: text,
    removed: { type: 'object', additionalProperties: count },
  }),
  [MESSAGE_TYPES.deadLettered]: record({
    topic: text,
    group: text,
    attempts: { type: 'integer', minimum: 1 },
    error: text,
    message: anyObject,
  }),
};

/** The whole message; a type that is not Tenantry's own may carry any object as its data. */
export const messageSchema = (type: string): JsonSchema =>
  record({
    id: text,
    type: text,
    source: text,
    subject: text,
    time: dateTime,
    correlationId: text,
    causationId: text,
    data: DATA_SCHEMAS[type] ?? anyObject,
  });
