import { type AccountKitTerms, MESSAGE_TYPES, type Message, TOPICS } from '#contracts';
import type { AppendedEvent } from '#event-store';
import { streamId } from '#kernel';
import type { PublicMessage } from '#projections';
import {
  type AccountKitCreated,
  type AccountKitDeleted,
  type AccountKitUpdated,
  type KitPolicy,
  OPEN_POLICY,
} from '../domain/account-kit.js';
import type { DeletionEvent } from '../domain/deletion.js';
import type { PlatformCreated } from '../domain/platform.js';
import type { PlatformKeyIssued, PlatformKeyRevoked } from '../domain/platform-key.js';
import type { TenantCreated, TenantDeleted } from '../domain/tenant.js';
import type { TenantUserCreated, TenantUserCreatedV1, TenantUserUpdated } from '../domain/tenant-user.js';

/** The categories whose events become messages. */
export const RELAYED_CATEGORIES = [
  'platform',
  'platformKey',
  'tenant',
  'accountKit',
  'tenantUser',
  'deletion',
];

/** The public message of an event, without anything personal; undefined where there is none. */
export function lifecycleMessage(event: AppendedEvent): PublicMessage | undefined {
  const said = CONTENTS[event.type]?.(event, streamId(event.stream));
  if (!said) return undefined;
  const message: Message<object> = {
    id: event.id,
    type: said.type,
    source: '/tenantry/tenant-users',
    subject: said.subject,
    time: event.at,
    correlationId: event.metadata.correlationId,
    causationId: event.id,
    data: said.data,
  };
  return { topic: TOPICS.lifecycle, message };
}

type DeletionRequested = Extract<DeletionEvent, { type: 'deletion.requested.v1' }>;
type Content = { type: string; subject: string; data: object };

/** What an event has to say, by its type. */
const CONTENTS: { readonly [type: string]: (event: AppendedEvent, id: string) => Content } = {
  'platform.created.v1': (event, id) => {
    const { default_tenant_id, default_account_kit_id } = event.data as unknown as PlatformCreated['data'];
    const data = { platform_id: id, default_tenant_id, default_account_kit_id };
    return { type: MESSAGE_TYPES.platformCreated, subject: id, data };
  },
  'platform-key.issued.v1': (event, id) => {
    const { name: _, key_prefix: __, ...issued } = event.data as unknown as PlatformKeyIssued['data'];
    return { type: MESSAGE_TYPES.platformKeyIssued, subject: id, data: { ...issued, key_id: id } };
  },
  'platform-key.revoked.v1': (event, id) => {
    const { platform_id } = event.data as unknown as PlatformKeyRevoked['data'];
    return { type: MESSAGE_TYPES.platformKeyRevoked, subject: id, data: { platform_id, key_id: id } };
  },
  'account-kit.created.v1': (event, id) => {
    const { platform_id, ...kit } = event.data as unknown as AccountKitCreated['data'];
    const terms = termsOf({ ...OPEN_POLICY, ...kit });
    const data = { platform_id, account_kit_id: id, revision: event.revision, terms };
    return { type: MESSAGE_TYPES.accountKitCreated, subject: id, data };
  },
  'account-kit.updated.v1': (event, id) => {
    const { platform_id, ...changes } = event.data as unknown as AccountKitUpdated['data'];
    const data = { platform_id, account_kit_id: id, revision: event.revision, terms: termsOf(changes) };
    return { type: MESSAGE_TYPES.accountKitUpdated, subject: id, data };
  },
  'account-kit.deleted.v1': (event, id) => {
    const { platform_id } = event.data as unknown as AccountKitDeleted['data'];
    return { type: MESSAGE_TYPES.accountKitDeleted, subject: id, data: { platform_id, account_kit_id: id } };
  },
  'tenant.created.v1': (event, id) => {
    const { platform_id, default_user_id } = event.data as unknown as TenantCreated['data'];
    const data = { platform_id, tenant_id: id, default_user_id };
    return { type: MESSAGE_TYPES.tenantCreated, subject: id, data };
  },
  'tenant.deleted.v1': (event, id) => {
    const { platform_id } = event.data as unknown as TenantDeleted['data'];
    return { type: MESSAGE_TYPES.tenantDeleted, subject: id, data: { platform_id, tenant_id: id } };
  },
  'tenant-user.created.v1': userCreated,
  'tenant-user.created.v2': userCreated,
  'tenant-user.updated.v1': userUpdated,
  'tenant-user.updated.v2': userUpdated,
  'deletion.requested.v1': (event, id) => {
    const requested = event.data as unknown as DeletionRequested['data'];
    const { platform_id, tenant_id, user_revision: revision } = requested;
    const data = { platform_id, tenant_id, user_id: id, revision };
    return { type: MESSAGE_TYPES.userDeleted, subject: id, data };
  },
};

function userCreated(event: AppendedEvent, id: string): Content {
  const created = event.data as unknown as (TenantUserCreated | TenantUserCreatedV1)['data'];
  const { platform_id, tenant_id, account_kit_id, status, is_default, opening_budget = null } = created;
  const { revision } = event;
  const standing = { account_kit_id, status, is_default, opening_budget, revision };
  const data = { platform_id, tenant_id, user_id: id, ...standing };
  return { type: MESSAGE_TYPES.userCreated, subject: id, data };
}

function userUpdated(event: AppendedEvent, id: string): Content {
  const updated = event.data as unknown as TenantUserUpdated['data'];
  const { platform_id, tenant_id, changed, status, account_kit_id } = updated;
  const standing = { account_kit_id, status, changed, revision: event.revision };
  const data = { platform_id, tenant_id, user_id: id, ...standing };
  return { type: MESSAGE_TYPES.userUpdated, subject: id, data };
}

/** What of a policy other services heed: what is given of it. */
function termsOf({
  key_scopes,
  rate_limits,
  allowed_providers,
}: Partial<KitPolicy>): Partial<AccountKitTerms> {
  return {
    ...(key_scopes !== undefined && { key_scopes }),
    ...(rate_limits !== undefined && { rate_limits }),
    ...(allowed_providers !== undefined && { allowed_providers }),
  };
}
