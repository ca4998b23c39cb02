import { type RecordedEvent, streamId } from '#kernel';
import type { Claim, Holding } from '#privacy';
import { tenantIdentifiers, userIdentifiers } from '../domain/identifiers.js';
import type { TenantEvent } from '../domain/tenant.js';
import type { PersonalData, TenantUserEvent } from '../domain/tenant-user.js';

type Opened = RecordedEvent<object> & (TenantUserEvent | TenantEvent);

/** What identifiers the events of a log give and take. `apply` wants them opened, and in their order. */
export const identifierHoldings = {
  name: 'identifiers',
  categories: ['tenantUser', 'tenant'],

  /** Whether it frees something; where `filling`, also what gives something. */
  concerns({ type, data }: RecordedEvent, { filling }: { filling: boolean }): boolean {
    if (/\.(deleted|abandoned)\./.test(type)) return true;
    if (type.startsWith('tenant-user.updated.')) return (data.changed as string[]).includes('username');
    return filling && type.includes('.created.');
  },

  apply(event: RecordedEvent<object>): Holding[] {
    const claim = { holder: streamId(event.stream), revision: event.revision };
    const opened = event as Opened;
    switch (opened.type) {
      case 'tenant-user.created.v1':
      case 'tenant-user.created.v2': {
        const { tenant_id, personal } = opened.data;
        return userIdentifiers(tenant_id, personal ?? {}).map((identifier) => ({ ...identifier, ...claim }));
      }
      case 'tenant-user.updated.v1':
      case 'tenant-user.updated.v2':
        return renamed(opened.data.tenant_id, opened.data.personal ?? {}, claim);
      case 'tenant.created.v1': {
        const { platform_id, external_id } = opened.data;
        return tenantIdentifiers(platform_id, external_id).map((identifier) => ({ ...identifier, ...claim }));
      }
      case 'tenant-user.deleted.v1':
      case 'tenant-user.abandoned.v1':
      case 'tenant.deleted.v1':
      case 'tenant.abandoned.v1':
        return [{ holder: claim.holder, gone: true }];
      case 'tenant.updated.v1':
        return [];
    }
  },
};

const renamed = (scope: string, { username }: Partial<PersonalData>, claim: Claim): Holding[] =>
  username === undefined ? [] : [{ kind: 'user.username', scope, value: username, ...claim }];
