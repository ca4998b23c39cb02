import { MESSAGE_TYPES, type Message, TOPICS } from '#contracts';
import { type RecordedEvent, streamId } from '#kernel';
import type { PublicMessage } from '#projections';
import type { DeletionEvent } from '../domain/deletion.js';
import type { PlatformCreated } from '../domain/platform.js';
import type { TenantCreated, TenantDeleted } from '../domain/tenant.js';
import type { TenantUserCreated, TenantUserUpdated } from '../domain/tenant-user.js';

/** The categories whose events become messages. */
export const RELAYED_CATEGORIES = ['platform', 'tenant', 'tenantUser', 'deletion'];

/** The public message of an event, without anything personal; undefined where there is none. */
export function lifecycleMessage(event: RecordedEvent): PublicMessage | undefined {
  const said = content(event);
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

function content(event: RecordedEvent): { type: string; subject: string; data: object } | undefined {
  const id = streamId(event.stream);
  switch (event.type) {
    case 'platform.created.v1': {
      const { default_tenant_id, default_account_kit_id } = event.data as unknown as PlatformCreated['data'];
      const data = { platform_id: id, default_tenant_id, default_account_kit_id };
      return { type: MESSAGE_TYPES.platformCreated, subject: id, data };
    }
    case 'tenant.created.v1': {
      const { platform_id, default_user_id } = event.data as unknown as TenantCreated['data'];
      return {
        type: MESSAGE_TYPES.tenantCreated,
        subject: id,
        data: { platform_id, tenant_id: id, default_user_id },
      };
    }
    case 'tenant.deleted.v1': {
      const { platform_id } = event.data as unknown as TenantDeleted['data'];
      return { type: MESSAGE_TYPES.tenantDeleted, subject: id, data: { platform_id, tenant_id: id } };
    }
    case 'tenant-user.created.v1': {
      const created = event.data as unknown as TenantUserCreated['data'];
      const { platform_id, tenant_id, account_kit_id, status, is_default, opening_budget = null } = created;
      const data = {
        platform_id,
        tenant_id,
        user_id: id,
        account_kit_id,
        status,
        is_default,
        opening_budget,
        revision: event.revision,
      };
      return { type: MESSAGE_TYPES.userCreated, subject: id, data };
    }
    case 'tenant-user.updated.v1': {
      const updated = event.data as unknown as TenantUserUpdated['data'];
      const { platform_id, tenant_id, changed, status, account_kit_id } = updated;
      const data = {
        platform_id,
        tenant_id,
        user_id: id,
        account_kit_id,
        status,
        changed,
        revision: event.revision,
      };
      return { type: MESSAGE_TYPES.userUpdated, subject: id, data };
    }
    case 'deletion.requested.v1': {
      const requested = event.data as unknown as Extract<
        DeletionEvent,
        { type: 'deletion.requested.v1' }
      >['data'];
      const { platform_id, tenant_id, user_revision } = requested;
      const data = { platform_id, tenant_id, user_id: id, revision: user_revision };
      return { type: MESSAGE_TYPES.userDeleted, subject: id, data };
    }
    default:
      return undefined;
  }
}
