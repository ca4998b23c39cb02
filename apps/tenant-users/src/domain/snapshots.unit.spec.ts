import { readFileSync } from 'node:fs';
import { describe, it } from '@jest/globals';
import type { DomainEvent } from '#kernel';
import { expectForm } from '#testing';
import { accountKit } from './account-kit.js';
import { platform } from './platform.js';
import { tenant } from './tenant.js';
import { tenantUser } from './tenant-user.decide.js';
import type { TenantUserEvent } from './tenant-user.js';

const FORMS = new URL('./snapshots/', import.meta.url);
const stored = <Event extends DomainEvent>(folder: string, ...types: string[]): Event[] =>
  types.map((type) => {
    const file = new URL(`./fixtures/${folder}/${type}.json`, import.meta.url);
    return { type, data: JSON.parse(readFileSync(file, 'utf8')) } as Event;
  });

/** As it comes out of the log. */
const withText = (event: TenantUserEvent) =>
  ({ ...event, data: { ...event.data, sealed_personal: `v2.7.${event.type}` } }) as TenantUserEvent;

describe('snapshots of what the tenant-users service has', () => {
  it('given a stored life, then the form is the one of its version', () => {
    expectForm(platform, stored('tenancy', 'platform.created.v1', 'platform.updated.v1'), FORMS);
    expectForm(tenant, stored('tenancy', 'tenant.created.v1', 'tenant.updated.v1'), FORMS);
    expectForm(accountKit, stored('tenancy', 'account-kit.created.v1', 'account-kit.updated.v1'), FORMS);
    const user = stored<TenantUserEvent>('users', 'tenant-user.created.v2', 'tenant-user.updated.v2');
    expectForm(tenantUser, user.map(withText), FORMS);
  });
});
