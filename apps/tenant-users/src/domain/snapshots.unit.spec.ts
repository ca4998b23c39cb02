import { readFileSync } from 'node:fs';
import { describe, it } from '@jest/globals';
import type { DomainEvent } from '#kernel';
import { expectForm } from '#testing';
import { accountKit } from './account-kit.js';
import { platform } from './platform.js';
import { tenant } from './tenant.js';
import { tenantUser } from './tenant-user.decide.js';

const FORMS = new URL('./snapshots/', import.meta.url);
const stored = <Event extends DomainEvent>(folder: string, ...types: string[]): Event[] =>
  types.map((type) => {
    const file = new URL(`./fixtures/${folder}/${type}.v1.json`, import.meta.url);
    return { type: `${type}.v1`, data: JSON.parse(readFileSync(file, 'utf8')) } as Event;
  });

describe('snapshots of what the tenant-users service has', () => {
  it('given a stored life, then the form is the one of its version', () => {
    expectForm(platform, stored('tenancy', 'platform.created', 'platform.updated'), FORMS);
    expectForm(tenant, stored('tenancy', 'tenant.created', 'tenant.updated'), FORMS);
    expectForm(accountKit, stored('tenancy', 'account-kit.created', 'account-kit.updated'), FORMS);
    expectForm(tenantUser, stored('users', 'tenant-user.created', 'tenant-user.updated'), FORMS);
  });
});
